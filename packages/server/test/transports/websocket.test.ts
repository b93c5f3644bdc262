import { constants, inflateRawSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { poll, publish } from '../support/problems.ts'
import { closeRaw } from '../support/raw-client.ts'
import { header, send } from '../support/raw-http.ts'
import { handshakeHeaders, opcodes, openWebSocket, pong, text, tryHandshake } from '../support/raw-websocket.ts'
import { startServer } from '../support/start-server.ts'
import type { TestServer } from '../support/start-server.ts'

// A channel as a WebSocket (CONTRACT section 4); the frames themselves are checked by rfc6455*.test.ts.

let server: TestServer
let compressing: TestServer
let port: number

beforeAll(async () => {
  const rules = [{ match: 'short', keep: { publications: 2 } }]
  server = await startServer({ limits: { pingMs: 300 }, rules })
  compressing = await startServer({ compression: true })
  port = server.port
})
afterAll(async () => {
  await server.close()
  await compressing.close()
})
afterEach(closeRaw)

describe('a plain WebSocket', () => {
  it('carries text as text, bytes as bytes, JSON as it was written, and nothing else', async () => {
    const socket = await openWebSocket(port, '/channels/kinds')
    await publish(port, 'kinds', 'words')
    await publish(port, 'kinds', '{"a": 1e400}', [['Content-Type', 'application/json']])
    await publish(port, 'kinds', Buffer.of(0, 255), [['Content-Type', 'image/png']])
    expect(await socket.readMessage()).toEqual({ opcode: opcodes.text, payload: Buffer.from('words') })
    expect(await socket.readMessage()).toEqual({ opcode: opcodes.text, payload: Buffer.from('{"a": 1e400}') })
    expect(await socket.readMessage()).toEqual({ opcode: opcodes.binary, payload: Buffer.of(0, 255) })
  })

  it('closes with 4410 and the reason where it can not continue', async () => {
    const first = await publish(port, 'short', '1')
    for (const data of ['2', '3', '4']) await publish(port, 'short', data)
    const socket = await openWebSocket(port, `/channels/short?since=${first.cursor}`)
    expect(await socket.readClose()).toEqual({ code: 4410, reason: 'trimmed' })
  })

  it('closes with 4400 when it is sent something on several channels, for it has no address there', async () => {
    const socket = await openWebSocket(port, '/subscribe?channel=a&channel=b')
    await socket.readJson()
    socket.send(text('to whom'))
    expect((await socket.readClose()).code).toBe(4400)
  })
})

describe('a WebSocket with the envelope', () => {
  it('begins with the cursor, and gaps come before it', async () => {
    const { cursor } = await publish(port, 'place', '1')
    const socket = await openWebSocket(port, '/channels/place?envelope=1')
    expect(await socket.readJson()).toEqual({ cursor })
    for (const data of ['1', '2', '3', '4']) await publish(port, 'short', data)
    const old = (await poll(port, '/channels/place?since=earliest')).cursor
    const gapped = await openWebSocket(port, `/channels/short?envelope=1&since=${old}`)
    expect(await gapped.readJson()).toMatchObject({ gap: { channel: 'short', reason: 'trimmed' } })
    expect(Object.keys((await gapped.readJson()) as object)).toEqual(['cursor'])
    expect(await gapped.readJson()).toMatchObject({ channel: 'short', data: '3' })
  })

  it('beats with the place it has reached', async () => {
    const socket = await openWebSocket(port, '/channels/still?envelope=1')
    await socket.readJson()
    const { cursor } = await publish(port, 'elsewhere', 'x')
    await expect.poll(async () => await socket.readJson()).toEqual({ cursor })
  })
})

describe('a peer', () => {
  it('is pinged, and ended where it answers nothing', async () => {
    const socket = await openWebSocket(port, '/channels/silent')
    expect((await socket.readFrame()).opcode).toBe(opcodes.ping)
    await socket.connection.untilEnd()
  })

  it('stays as long as it answers', async () => {
    const socket = await openWebSocket(port, '/channels/awake')
    for (let beat = 0; beat < 6; beat++) {
      const { opcode, payload } = await socket.readFrame()
      expect(opcode).toBe(opcodes.ping)
      socket.send(pong(payload))
    }
    await publish(port, 'awake', 'still here')
    expect((await socket.readMessage()).payload.toString()).toBe('still here')
  })

  it('that is gone is counted no more', async () => {
    const socket = await openWebSocket(port, '/channels/counted')
    expect(await receivers()).toBeGreaterThan(0)
    socket.connection.close()
    await expect.poll(async () => await receivers()).toBe(0)
  })
})

describe('compression', () => {
  const offer = handshakeHeaders({ 'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits' })

  it('is off unless it is switched on', async () => {
    const { status, ...head } = await tryHandshake(port, '/channels/a', offer)
    expect([status, header({ ...head, status }, 'sec-websocket-extensions')]).toEqual([101, undefined])
  })

  it('makes each message for itself, so that one compression serves all; short ones stay as they are', async () => {
    const { connection, status, ...head } = await tryHandshake(compressing.port, '/channels/deflated', offer)
    expect(header({ ...head, status }, 'sec-websocket-extensions')).toMatch(/permessage-deflate.*server_no_context_takeover/)
    const plain = await openWebSocket(compressing.port, '/channels/deflated')
    const long = 'abcdefgh'.repeat(500)
    await publish(compressing.port, 'deflated', long)
    await publish(compressing.port, 'deflated', 'short')
    const first = await connection.until('a compressed frame', (pending) => (pending.length > 6 ? Buffer.from(pending) : undefined))
    expect(first[0]).toBe(0x80 | 0x40 | opcodes.text)
    const length = first[1] ?? 0
    expect(length).toBeLessThan(126)
    const inflated = inflateRawSync(Buffer.concat([first.subarray(2, 2 + length), Buffer.of(0, 0, 0xff, 0xff)]), {
      finishFlush: constants.Z_SYNC_FLUSH,
    })
    expect(inflated.toString()).toBe(long)
    connection.drop(2 + length)
    const second = await connection.until('a frame as it is', (pending) => (pending.length >= 7 ? Buffer.from(pending) : undefined))
    expect(second).toEqual(Buffer.concat([Buffer.of(0x80 | opcodes.text, 5), Buffer.from('short')]))
    expect((await plain.readMessage()).payload.toString()).toBe(long)
  })
})

async function receivers(): Promise<number> {
  const page = (await send(port, { path: '/metrics' })).body.toString()
  return Number(/fanfare_receivers\{transport="websocket"\} (\d+)/.exec(page)?.[1])
}
