import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { poll, publish } from '../support/problems.ts'
import { closeRaw } from '../support/raw-client.ts'
import { header } from '../support/raw-http.ts'
import { handshakeHeaders, opcodes, openWebSocket, text, tryHandshake } from '../support/raw-websocket.ts'
import type { RawWebSocket } from '../support/raw-websocket.ts'
import { startServer } from '../support/start-server.ts'
import type { TestServer } from '../support/start-server.ts'

// fanfare.v1 (CONTRACT section 6). What is wrong with commands is in http/bad-connect.test.ts.

let server: TestServer
let port: number

beforeAll(async () => {
  server = await startServer({ limits: { pingMs: 300 }, rules: [{ match: 'short', keep: { publications: 2 } }] })
  port = server.port
})
afterAll(async () => await server.close())
afterEach(closeRaw)

type Json = Record<string, unknown>

async function connect(): Promise<RawWebSocket> {
  const socket = await openWebSocket(port, '/connect')
  expect(await socket.readJson()).toMatchObject({ ready: { heartbeat: 1 } })
  return socket
}

const ask = (socket: RawWebSocket, ...commands: Json[]): void => socket.send(...commands.map((command) => text(JSON.stringify(command))))

/** The next message that is no heartbeat. */
async function next(socket: RawWebSocket): Promise<Json> {
  for (;;) {
    const message = (await socket.readJson()) as Json
    if (!('heartbeat' in message)) return message
  }
}

describe('the subprotocol', () => {
  it('is answered where it is offered, among others too, and taken where none is', async () => {
    const offered = await tryHandshake(port, '/connect', handshakeHeaders({ 'Sec-WebSocket-Protocol': 'graphql-ws, fanfare.v1' }))
    expect([offered.status, header(offered, 'sec-websocket-protocol')]).toEqual([101, 'fanfare.v1'])
    const none = await tryHandshake(port, '/connect', handshakeHeaders())
    expect([none.status, header(none, 'sec-websocket-protocol')]).toEqual([101, undefined])
    expect((await tryHandshake(port, '/connect', handshakeHeaders({ 'Sec-WebSocket-Protocol': 'graphql-ws' }))).status).toBe(400)
  })
})

describe('subscribe', () => {
  it('is answered before anything of its channel, then comes what was missed, then what is new', async () => {
    const first = await publish(port, 'news', 'one')
    await publish(port, 'news', 'two')
    const socket = await connect()
    ask(socket, { id: 2, subscribe: { channel: 'news', since: first.cursor } })
    expect(await next(socket)).toEqual({ id: 2, ok: { channel: 'news', cursor: first.cursor, recovered: true } })
    expect(await next(socket)).toMatchObject({ channel: 'news', offset: 2, data: 'two' })
    const third = await publish(port, 'news', 'three')
    expect(await next(socket)).toEqual({ ...third, data: 'three', type: 'text/plain' })
  })

  it('without a cursor is no recovery', async () => {
    const socket = await connect()
    ask(socket, { id: 'a', subscribe: { channel: 'fresh', last: 5 } })
    expect(await next(socket)).toMatchObject({ id: 'a', ok: { channel: 'fresh', recovered: false } })
  })

  it('with a gap says so, and gives back the cursor that it was given', async () => {
    const first = await publish(port, 'short', '1')
    for (const data of ['2', '3', '4']) await publish(port, 'short', data)
    const socket = await connect()
    ask(socket, { id: 1, subscribe: { channel: 'short', since: first.cursor } })
    expect(await next(socket)).toEqual({ id: 1, ok: { channel: 'short', cursor: first.cursor, recovered: false } })
    expect(await next(socket)).toMatchObject({ gap: { channel: 'short', reason: 'trimmed' } })
    expect(await next(socket)).toMatchObject({ data: '3' })
  })

  it('ends with unsubscribe, and can begin again', async () => {
    const socket = await connect()
    ask(socket, { id: 1, subscribe: { channel: 'again' } }, { id: 2, unsubscribe: { channel: 'again' } })
    const replies = [await next(socket), await next(socket)]
    expect(replies).toContainEqual({ id: 2, ok: {} })
    expect(replies.map(({ id }) => id).sort()).toEqual([1, 2])
    await publish(port, 'again', 'unheard')
    ask(socket, { id: 3, subscribe: { channel: 'again' } })
    expect(await next(socket)).toMatchObject({ id: 3, ok: { channel: 'again' } })
    await publish(port, 'again', 'heard')
    expect(await next(socket)).toMatchObject({ data: 'heard' })
  })
})

describe('publish', () => {
  it('keeps the order of the commands in the log, and answers as HTTP does', async () => {
    const socket = await connect()
    const count = 500
    ask(socket, ...Array.from({ length: count }, (_, i) => ({ id: i, publish: { channel: 'order', data: i } })))
    const offsets = new Map<unknown, unknown>()
    for (let i = 0; i < count; i++) {
      const { id, ok } = await next(socket)
      offsets.set(id, (ok as Json).offset)
    }
    for (let i = 0; i < count; i++) expect(offsets.get(i)).toBe(i + 1)
    const answer = await poll(port, '/channels/order?since=earliest&limit=1000')
    expect(answer.publications.map(({ data }) => data)).toEqual(Array.from({ length: count }, (_, i) => i))
  })

  it('with a key is one publication, however often it is sent', async () => {
    const socket = await connect()
    const publishing = { channel: 'keyed', data: 'once', key: 'k' }
    ask(socket, { id: 1, publish: publishing }, { id: 2, publish: publishing }, { id: 3, publish: { ...publishing, data: 'other' } })
    const replies = new Map([await next(socket), await next(socket), await next(socket)].map((reply) => [reply.id, reply]))
    expect(replies.get(1)?.ok).toEqual(replies.get(2)?.ok)
    expect(replies.get(3)).toMatchObject({ error: { code: 'idempotency-conflict', retry: false } })
  })
})

describe('history', () => {
  it('answers as a poll does', async () => {
    for (const data of ['1', '2', '3']) await publish(port, 'past', data)
    const socket = await connect()
    ask(socket, { id: 5, history: { channel: 'past', since: 'earliest', limit: 2 } })
    expect((await next(socket)).ok).toEqual(await poll(port, '/channels/past?since=earliest&limit=2'))
  })

  it('of a whole frame of them comes one after another, in order, while the client reads slowly', async () => {
    for (let i = 0; i < 15; i++) await publish(port, 'heavy', 'x'.repeat(60_000))
    const socket = await connect()
    socket.connection.pause()
    const commands = Array.from({ length: 30 }, (_, id) => ({ id, history: { channel: 'heavy', since: 'earliest' } }))
    socket.send(text(JSON.stringify([...commands, { id: 'last', ping: {} }])))
    await expect.poll(async () => (await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200)
    socket.connection.resume()
    const ids: unknown[] = []
    for (let i = 0; i <= commands.length; i++) ids.push((await next(socket)).id)
    expect(ids.filter((id) => id !== 'last')).toEqual(commands.map(({ id }) => id))
    // It begins when the last history has begun, and may overtake its answer.
    expect(ids.indexOf('last')).toBeGreaterThanOrEqual(commands.length - 1)
  })
})

describe('the connection', () => {
  it('is beaten once for all its channels, with a place that holds for each', async () => {
    const socket = await connect()
    ask(socket, ...['a', 'b', 'c'].map((channel, id) => ({ id, subscribe: { channel } })))
    for (let i = 0; i < 3; i++) await next(socket)
    const { cursor } = await publish(port, 'elsewhere', 'x')
    const beats: unknown[] = []
    for (let i = 0; i < 3; i++) beats.push(await socket.readJson())
    expect(beats.at(-1)).toEqual({ heartbeat: { cursor } })
    expect(await poll(port, `/subscribe?channel=a&channel=b&channel=c&since=${cursor}`)).toMatchObject({ publications: [], gaps: [] })
  })

  it('gets several commands in one frame answered each for itself', async () => {
    const socket = await connect()
    socket.send(text('[{"id":1,"ping":{}},{"id":2,"nonsense":{}},{"id":3,"call":{}}]'))
    expect(await next(socket)).toEqual({ id: 1, ok: {} })
    expect(await next(socket)).toMatchObject({ id: 2, error: { code: 'command-unknown' } })
    expect(await next(socket)).toMatchObject({ id: 3, error: { code: 'not-available', retry: false } })
  })

  it('is told before it is closed on purpose, and when to come again', async () => {
    const own = await startServer()
    const socket = await openWebSocket(own.port, '/connect')
    await socket.readJson()
    const closing = own.close()
    expect(await socket.readJson()).toEqual({ close: { reason: 'draining', reconnect: true, after: expect.any(Number) as unknown } })
    const { opcode, payload } = await socket.readFrame()
    expect([opcode, payload.readUInt16BE(0)]).toEqual([opcodes.close, 1012])
    socket.connection.close()
    await closing
  })

  it('gets the answers to what it published before the server went down', async () => {
    const own = await startServer()
    const socket = await openWebSocket(own.port, '/connect')
    await socket.readJson()
    const count = 200
    ask(socket, ...Array.from({ length: count }, (_, id) => ({ id, publish: { channel: 'last', data: id } })))
    expect(await next(socket)).toMatchObject({ id: 0 })
    const closing = own.close()
    const answered = new Set<unknown>([0])
    let told = false
    for (let frame = await socket.readFrame(); frame.opcode === opcodes.text; frame = await socket.readFrame()) {
      const message = JSON.parse(frame.payload.toString()) as Json
      if ('close' in message) told = true
      else answered.add(message.id)
    }
    socket.connection.close()
    await closing
    expect(told).toBe(true)
    // All that had begun is answered, without a hole; what had not is unanswered and unpublished.
    expect([...answered]).toEqual(Array.from({ length: answered.size }, (_, id) => id))
  })
})
