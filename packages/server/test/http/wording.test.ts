import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { expectProblem } from '../support/problems.ts'
import { closeRaw } from '../support/raw-client.ts'
import { send } from '../support/raw-http.ts'
import { openWebSocket, text } from '../support/raw-websocket.ts'
import { startServer } from '../support/start-server.ts'
import type { TestServer } from '../support/start-server.ts'

// What a refusal says is what a user has to go by: it names what was wrong, and where the way out is.

let server: TestServer
let port: number

beforeAll(async () => {
  server = await startServer({ limits: { headersBytes: 4096 } })
  port = server.port
})
afterAll(async () => await server.close())
afterEach(closeRaw)

const json = [['Content-Type', 'application/json']] as const

describe('what is said', () => {
  it.each(['/index.html', '/channel/news', '/channels'])('at %s, which is no address, is where publications are', async (path) => {
    const { detail } = expectProblem(await send(port, { path }), 404, 'address-unknown')
    expect(detail).toContain('/channels/{channel}')
    expect(detail).toContain('/openapi.json')
  })

  it('of an item without a channel is that the member is missing, and which one may be meant', async () => {
    const items = [{ chanel: 'news', data: 1 }, { data: 2 }, { channel: null, data: 3 }]
    const answer = await send(port, { method: 'POST', path: '/publish', headers: json, body: JSON.stringify(items) })
    const results = JSON.parse(answer.body.toString()) as readonly { readonly error: { readonly code: string; readonly message: string } }[]
    expect(results.map(({ error }) => error.code)).toEqual(items.map(() => 'channel-name-invalid'))
    expect(results.map(({ error }) => error.message)).toEqual([
      'the member channel is missing; "chanel" is none that is known here',
      'the member channel is missing',
      'the member channel is missing',
    ])
  })

  it('of a command without a channel is the same', async () => {
    const socket = await openWebSocket(port, '/connect')
    await socket.readJson()
    const bodies = [{ publish: { chanel: 'news', data: 1 } }, { subscribe: { name: 'news' } }, { history: {} }]
    socket.send(...bodies.map((body, id) => text(JSON.stringify({ id, ...body }))))
    for (const hint of ['; "chanel" is none that is known here', '; "name" is none that is known here', '']) {
      expect(await socket.readJson()).toMatchObject({ error: { message: `the member channel is missing${hint}` } })
    }
  })

  it('of a channel to subscribe to without its name is the same', async () => {
    const body = '{"channels":[{"name":"news"}]}'
    const { detail } = expectProblem(
      await send(port, { method: 'POST', path: '/subscribe', headers: json, body }),
      400,
      'channel-name-invalid',
    )
    expect(detail).toBe('the member channel is missing; "name" is none that is known here')
  })

  it('of a since that is none is what there is', async () => {
    const { detail } = expectProblem(await send(port, { path: '/channels/news?since=latests' }), 400, 'cursor-invalid')
    expect(detail).toBe('since is a cursor, earliest or latest')
    const resumed = await send(port, { path: '/channels/news', headers: [['Last-Event-ID', 'latest']] })
    expect(expectProblem(resumed, 400, 'cursor-invalid').detail).toBe('Last-Event-ID is a cursor')
  })

  it.each(['Idempotency-Key', 'Fanfare-Id'])('of a %s that is too long is its name and the limit', async (field) => {
    const headers = [[field, 'x'.repeat(256)]] as const
    const { detail } = expectProblem(
      await send(port, { method: 'POST', path: '/channels/news', headers, body: 'x' }),
      400,
      'parameter-invalid',
    )
    expect(detail).toBe(`${field} has 1 to 255 bytes of UTF-8`)
  })

  it('of header fields that are too large is the limit', async () => {
    const answer = await send(port, { path: '/channels/news', headers: [['X', 'x'.repeat(5000)]] })
    expect(expectProblem(answer, 431, 'headers-too-large').detail).toContain('4096 bytes')
  })
})

describe('a frame that is none', () => {
  it('closes only after the commands before it are answered', async () => {
    const socket = await openWebSocket(port, '/connect')
    await socket.readJson()
    const commands = [
      { publish: { channel: 'late', data: 1 } },
      { history: { channel: 'late', since: 'earliest' } },
      { subscribe: { channel: 'late' } },
    ]
    socket.send(...commands.map((command, id) => text(JSON.stringify({ id, ...command }))), text('no command'))
    const ids: unknown[] = []
    while (ids.length < commands.length) {
      const message = (await socket.readJson()) as Record<string, unknown>
      if ('id' in message) ids.push(message['id'])
    }
    expect(ids.toSorted()).toEqual([0, 1, 2])
    expect(await socket.closed()).toMatchObject({ code: 4400 })
  })
})
