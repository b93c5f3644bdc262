import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { eight, expectToldOverAll, frameCall, jsonpCall, pathOver } from '../support/eight.ts'
import { expectProblem, expectRefusal, poll, publish } from '../support/problems.ts'
import { closeRaw, openRaw } from '../support/raw-client.ts'
import { requestBytes, send } from '../support/raw-http.ts'
import { handshakeHeaders, openWebSocket, text, tryHandshake } from '../support/raw-websocket.ts'
import { startServer } from '../support/start-server.ts'
import type { TestServer } from '../support/start-server.ts'

// A cursor that is no cursor gets 400 on every transport and never passes for "from now" (CONTRACT section 4).

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~-'
let server: TestServer
let port: number
let good: string

beforeAll(async () => {
  server = await startServer({ transports: 'all' })
  port = server.port
  await publish(port, 'a', 'first')
  good = (await publish(port, 'a', 'second')).cursor
  await publish(port, 'a', 'third')
})
afterAll(async () => await server.close())
afterEach(closeRaw)

const wrong: readonly (readonly [string, (cursor: string) => string])[] = [
  ['nothing', () => ''],
  ['a word', () => 'now'],
  ['a word in upper case', () => 'LATEST'],
  ['a number', () => '1'],
  ['a negative number', () => '-1'],
  ['null', () => 'null'],
  ['one without its last character', (cursor) => cursor.slice(0, -1)],
  ['one without its first character', (cursor) => cursor.slice(1)],
  ['the first half', (cursor) => cursor.slice(0, cursor.length / 2)],
  ['one with a character more', (cursor) => `${cursor}A`],
  ['one with padding', (cursor) => `${cursor}%3D`],
  ['one with a space behind', (cursor) => `${cursor}%20`],
  ['one with NUL behind', (cursor) => `${cursor}%00`],
  [
    'one in the other case',
    (cursor) => [...cursor].map((char) => (char === char.toLowerCase() ? char.toUpperCase() : char.toLowerCase())).join(''),
  ],
  ['one twice', (cursor) => `${cursor}${cursor}`],
  ['two with a comma', (cursor) => `${cursor},${cursor}`],
  ['65 characters', () => 'A'.repeat(65)],
  ['64 characters', () => 'A'.repeat(64)],
  ['10,000 characters', () => 'A'.repeat(10_000)],
  ['its characters turned round', (cursor) => [...cursor].reverse().join('')],
]

describe('a cursor', () => {
  it('is URL-safe and at most 64 characters', () => {
    expect(good).toMatch(/^[A-Za-z0-9._~-]{1,64}$/)
  })

  it.each(wrong)(
    'that is %s gets 400 on all eight, before anything opens, and a call with it where a script sees no status',
    async (_what, make) => {
      const bad = make(good)
      if (decodeURIComponent(bad) === good) return
      const refused = { status: 400, code: 'cursor-invalid' }
      for (const query of [`since=${bad}`, `since=${bad}&wait=1`, `since=${bad}&envelope=1`]) {
        await expectToldOverAll(port, '/channels/a', query, refused)
        await expectToldOverAll(port, '/subscribe?channel=a&channel=b', query, refused)
      }
      for (const path of [`/channels/a?since=${bad}`, `/channels/a?envelope=1&since=${bad}`, `/subscribe?channel=a&since=${bad}`]) {
        const answer = await tryHandshake(port, path, handshakeHeaders())
        expectProblem(answer, 400, 'cursor-invalid')
        await answer.connection.untilEnd()
      }
    },
  )

  it.each(wrong.filter(([what]) => !['nothing', 'one with padding', 'one with a space behind', 'one with NUL behind'].includes(what)))(
    'that is %s is refused as Last-Event-ID and in POST /subscribe too',
    async (_what, make) => {
      const bad = make(good)
      const headers = [['Last-Event-ID', bad]] as const
      for (const query of ['', 'wait=1', 'since=latest'])
        await expectToldOverAll(port, '/channels/a', query, { status: 400, code: 'cursor-invalid', headers })
      for (const body of [{ channels: ['a'], since: bad }, { channels: [{ channel: 'a', since: bad }] }]) {
        for (const one of eight.filter(({ name }) => name !== 'websocket')) {
          const path = pathOver(one, '/subscribe')
          await expectRefusal(port, { method: 'POST', path, body: JSON.stringify(body) }, 400, 'cursor-invalid')
        }
      }
    },
  )

  it('with any one character changed is refused: its checksum sees each', async () => {
    let random = 12_345
    for (let at = 0; at < good.length; at++) {
      for (let round = 0; round < 4; round++) {
        random = (random * 48_271) % 2_147_483_647
        const other = alphabet[random % alphabet.length] ?? 'A'
        if (other === good[at]) continue
        await expectRefusal(port, { path: `/channels/a?since=${good.slice(0, at)}${other}${good.slice(at + 1)}` }, 400, 'cursor-invalid')
      }
    }
  })

  it('with any two neighbours swapped is refused', async () => {
    for (let at = 0; at + 1 < good.length; at++) {
      const swapped = `${good.slice(0, at)}${good[at + 1] ?? ''}${good[at] ?? ''}${good.slice(at + 2)}`
      if (swapped !== good) await expectRefusal(port, { path: `/channels/a?since=${swapped}` }, 400, 'cursor-invalid')
    }
  })

  it('as Last-Event-ID that is empty is none: the query counts', async () => {
    for (const value of ['', ' ']) {
      const answer = await poll(port, '/channels/a?since=earliest', [['Last-Event-ID', value]])
      expect(answer.publications.map(({ data }) => data)).toEqual(['first', 'second', 'third'])
    }
    expect((await poll(port, '/channels/a', [['Last-Event-ID', '']])).publications).toEqual([])
  })

  it('as Last-Event-ID goes before the query', async () => {
    const answer = await poll(port, '/channels/a?since=earliest', [['Last-Event-ID', good]])
    expect(answer.publications.map(({ data }) => data)).toEqual(['third'])
  })

  it('that is good continues on every transport, by header and by query', async () => {
    expect((await poll(port, `/channels/a?since=${good}`)).publications.map(({ data }) => data)).toEqual(['third'])
    expect((await poll(port, `/channels/a?since=${good}&wait=5`)).publications.map(({ data }) => data)).toEqual(['third'])
    for (const headers of [[], [['Last-Event-ID', good] as const]] as const) {
      const socket = await openWebSocket(port, headers.length === 0 ? `/channels/a?since=${good}` : '/channels/a', headers)
      expect((await socket.readMessage()).payload.toString()).toBe('third')
      const query = headers.length === 0 ? `&since=${good}` : ''
      expect(await jsonpCall(port, `/channels/a?transport=jsonp&callback=cb${query}`, headers)).toContain(
        '"publications":[{"channel":"a","offset":3',
      )
      expect(await frameCall(port, `/channels/a?transport=iframe&callback=cb${query}`, headers, 1)).toContain('"offset":3,')
      for (const name of ['sse', 'stream', 'multipart']) {
        const connection = await openRaw(port)
        connection.send(requestBytes(port, { path: `/channels/a?transport=${name}${query}`, headers }))
        const came = await connection.until('the third', (pending) => (pending.includes('third') ? pending.toString() : undefined))
        expect({ name, second: came.includes('second') }).toEqual({ name, second: false })
      }
    }
  })

  it('is the same for the same place on every transport and for everybody', async () => {
    const polled = (await poll(port, '/channels/a?last=1')).publications[0]
    const socket = await openWebSocket(port, '/channels/a?envelope=1&last=1')
    await socket.readMessage()
    expect(await socket.readJson()).toEqual(polled)
    const connect = await openWebSocket(port, '/connect')
    await connect.readMessage()
    connect.send(text('{"id":1,"subscribe":{"channel":"a","last":1}}'))
    await connect.readMessage()
    expect(await connect.readJson()).toEqual(polled)
    const head = await send(port, { method: 'HEAD', path: '/channels/a' })
    expect(head.headers.get('fanfare-cursor')).toEqual([polled?.cursor])
  })
})
