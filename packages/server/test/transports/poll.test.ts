import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { poll, publish } from '../support/problems.ts'
import { closeRaw, openRaw } from '../support/raw-client.ts'
import { header, readAnswer, requestBytes, send } from '../support/raw-http.ts'
import { handshakeHeaders } from '../support/raw-websocket.ts'
import { startServer } from '../support/start-server.ts'
import type { TestServer } from '../support/start-server.ts'

// Polls and long polls (CONTRACT section 4).

let server: TestServer
let port: number

beforeAll(async () => {
  server = await startServer({ rules: [{ match: 'open/**', public: true }] })
  port = server.port
})
afterAll(async () => await server.close())
afterEach(closeRaw)

describe('a poll', () => {
  it('of an idle channel is the same, byte for byte, however busy the store', async () => {
    const { cursor } = await publish(port, 'idle', 'x')
    const first = (await send(port, { path: `/channels/idle?since=${cursor}` })).body.toString()
    expect(first).toBe(`{"cursor":"${cursor}","publications":[],"more":false,"gaps":[]}`)
    for (let i = 0; i < 20; i++) await publish(port, 'busy', String(i))
    expect((await send(port, { path: `/channels/idle?since=${cursor}` })).body.toString()).toBe(first)
    const head = (await send(port, { path: '/channels/idle' })).body.toString()
    await publish(port, 'busy', 'more')
    expect((await send(port, { path: '/channels/idle' })).body.toString()).toBe(head)
  })

  it('is paged by its limit, and says when to ask again at once', async () => {
    for (let i = 1; i <= 7; i++) await publish(port, 'paged', String(i))
    let since = 'earliest'
    const seen: unknown[] = []
    const more: boolean[] = []
    for (let round = 0; round < 3; round++) {
      const answer = await poll(port, `/channels/paged?since=${since}&limit=3`)
      seen.push(...answer.publications.map(({ data }) => data))
      more.push(answer.more)
      since = answer.cursor
    }
    expect(seen).toEqual(['1', '2', '3', '4', '5', '6', '7'])
    expect(more).toEqual([true, true, false])
  })

  it('stays under 1 MiB', async () => {
    for (let i = 0; i < 30; i++) await publish(port, 'large', 'x'.repeat(60_000))
    const answer = await send(port, { path: '/channels/large?since=earliest' })
    expect(answer.body.length).toBeLessThanOrEqual(1024 * 1024)
    expect(JSON.parse(answer.body.toString())).toMatchObject({ more: true })
  })

  it('says its cursor in a header too, and is not kept, unless the rule makes the channel public', async () => {
    const { cursor } = await publish(port, 'open/a', 'x')
    const shared = await send(port, { path: '/channels/open/a?since=earliest' })
    expect(header(shared, 'fanfare-cursor')).toBe(cursor)
    expect(header(shared, 'cache-control')).toMatch(/^public, max-age=\d+$/)
    const own = await send(port, { path: '/channels/open/a', headers: [['Last-Event-ID', cursor]] })
    expect(header(own, 'cache-control')).toBe('no-store')
    expect(header(await send(port, { path: '/subscribe?channel=open/a&channel=idle' }), 'cache-control')).toBe('no-store')
  })
})

describe('a long poll', () => {
  it('answers all who wait alike with the first publication, the same bytes', async () => {
    const { cursor } = await publish(port, 'wake', 'before')
    const waiting = Array.from({ length: 50 }, async () => await send(port, { path: `/channels/wake?since=${cursor}&wait=20` }))
    await expect.poll(async () => await held()).toBe(50)
    await publish(port, 'wake', 'now')
    const bodies = new Set((await Promise.all(waiting)).map(({ body }) => body.toString()))
    expect(bodies.size).toBe(1)
    expect(JSON.parse([...bodies][0] ?? '')).toMatchObject({ publications: [{ data: 'now' }], more: false })
  })

  it('is empty after its wait, at the place it came with', async () => {
    const { cursor } = await publish(port, 'quiet', 'x')
    const started = performance.now()
    const answer = await send(port, { path: `/channels/quiet?since=${cursor}`, headers: [['Prefer', 'respond-async, wait=1']] })
    expect(performance.now() - started).toBeGreaterThan(990)
    expect(header(answer, 'preference-applied')).toBe('wait=1')
    expect(JSON.parse(answer.body.toString())).toEqual({ cursor, publications: [], more: false, gaps: [] })
  })

  it('answers at once where there is something, and with wait=0', async () => {
    await publish(port, 'ready', 'x')
    const started = performance.now()
    expect((await poll(port, '/channels/ready?since=earliest&wait=30')).publications).toHaveLength(1)
    expect((await poll(port, '/channels/ready?wait=0')).publications).toEqual([])
    expect(performance.now() - started).toBeLessThan(1000)
  })

  it('that nobody waits for any more is let go, those that were sent ahead too', async () => {
    const connection = await openRaw(port)
    for (let i = 0; i < 20; i++) connection.send(requestBytes(port, { path: '/channels/gone?wait=30' }))
    await expect.poll(async () => await held()).toBe(1)
    connection.close()
    await expect.poll(async () => await held()).toBe(0)
  })
})

describe('requests that were sent ahead', () => {
  it('are carried out and answered in their order', async () => {
    const connection = await openRaw(port)
    connection.send(requestBytes(port, { path: '/channels/ahead?wait=1' }))
    connection.send(requestBytes(port, { method: 'POST', path: '/channels/ahead', body: 'deleted' }))
    connection.send(requestBytes(port, { method: 'DELETE', path: '/channels/ahead' }))
    connection.send(requestBytes(port, { method: 'POST', path: '/channels/ahead', body: 'kept' }))
    connection.send(requestBytes(port, { path: '/channels/ahead?since=earliest' }))
    expect(JSON.parse((await readAnswer(connection, 'GET')).body.toString())).toMatchObject({ publications: [] })
    expect((await readAnswer(connection, 'POST')).status).toBe(201)
    expect((await readAnswer(connection, 'DELETE')).status).toBe(204)
    expect((await readAnswer(connection, 'POST')).status).toBe(201)
    expect(JSON.parse((await readAnswer(connection, 'GET')).body.toString())).toMatchObject({ publications: [{ data: 'kept', offset: 2 }] })
  })

  it('that publish one after another go together, however many', async () => {
    const connection = await openRaw(port)
    const count = 500
    connection.send(
      Buffer.concat(
        Array.from({ length: count }, (_, i) => requestBytes(port, { method: 'POST', path: '/channels/together', body: String(i) })),
      ),
    )
    for (let i = 1; i <= count; i++) expect(JSON.parse((await readAnswer(connection, 'POST')).body.toString())).toMatchObject({ offset: i })
  })

  it('in absolute form wait like all others', async () => {
    const connection = await openRaw(port)
    const body = '{"channels":["absolute"]}'
    connection.send(requestBytes(port, { path: '/channels/absolute?wait=1' }))
    connection.send(requestBytes(port, { method: 'POST', path: `http://127.0.0.1:${port}/subscribe?transport=sse`, body }))
    expect((await readAnswer(connection, 'GET')).status).toBe(200)
    await connection.until('the stream in its turn', (pending) => (pending.includes('fanfare.ready') ? true : undefined))
  })

  it.each([
    ['an upgrade', requestBytes(1, { path: '/channels/a', headers: [['Host', 'localhost'], ...handshakeHeaders()] })],
    [
      'an offer of h2c',
      requestBytes(1, {
        path: '/channels/a',
        headers: [
          ['Host', 'localhost'],
          ['Upgrade', 'h2c'],
          ['Connection', 'Upgrade'],
        ],
      }),
    ],
    ['what is no HTTP', Buffer.from('nonsense\r\n\r\n')],
  ])('end the connection without a word where an answer is still to come and %s is behind it', async (_what, behind) => {
    const connection = await openRaw(port)
    connection.send(requestBytes(port, { path: '/channels/behind?wait=30' }))
    await expect.poll(async () => await held()).toBe(1)
    connection.send(behind)
    expect((await connection.untilEnd()).toString()).toBe('')
    await expect.poll(async () => await held()).toBe(0)
  })

  it('end the connection when there are more than anybody needs', async () => {
    const connection = await openRaw(port)
    connection.send(Buffer.concat(Array.from({ length: 2000 }, () => requestBytes(port, { path: '/channels/flood?wait=30' }))))
    await connection.untilEnd()
    await expect.poll(async () => await held()).toBe(0)
  })
})

async function held(): Promise<number> {
  const page = (await send(port, { path: '/metrics' })).body.toString()
  return Number(/fanfare_receivers\{transport="long-poll"\} (\d+)/.exec(page)?.[1])
}
