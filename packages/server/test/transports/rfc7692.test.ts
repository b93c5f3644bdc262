import { constants, deflateRawSync, inflateRawSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { closeRaw } from '../support/raw-client.ts'
import { header } from '../support/raw-http.ts'
import { frame, opcodes, openWebSocket, ping } from '../support/raw-websocket.ts'
import type { Frame, RawWebSocket } from '../support/raw-websocket.ts'
import { startServer } from '../support/start-server.ts'
import type { TestServer } from '../support/start-server.ts'

// Compression of messages (RFC 7692), which is off unless the server is told to; a channel is used as an echo.

let server: TestServer
let channels = 0
const offer = [['Sec-WebSocket-Extensions', 'permessage-deflate; client_max_window_bits']] as const
const rsv1 = 4

beforeAll(async () => {
  server = await startServer({ compression: true })
})
afterAll(async () => await server.close())
afterEach(closeRaw)

async function echo(headers: readonly (readonly [string, string])[] = offer): Promise<RawWebSocket> {
  return await openWebSocket(server.port, `/channels/deflated/${++channels}`, headers)
}

/** Section 7.2.1: the tail of the flush is left out. */
function deflated(payload: string | Buffer): Buffer {
  const bytes = deflateRawSync(payload, { finishFlush: constants.Z_SYNC_FLUSH })
  return bytes.subarray(0, bytes.length - 4)
}

/** Section 7.2.2, without a context from the message before. */
function inflated({ compressed, payload }: Frame): Buffer {
  if (compressed !== true) return payload
  return inflateRawSync(Buffer.concat([payload, Buffer.of(0, 0, 255, 255)]), { finishFlush: constants.Z_SYNC_FLUSH })
}

const compressedText = (payload: string | Buffer): Buffer => frame({ opcode: opcodes.text, rsv: rsv1, payload: deflated(payload) })

describe('the negotiation, section 7.1', () => {
  it('grants it to who offers it, without a context kept by the server', async () => {
    const granted = header((await echo()).head, 'sec-websocket-extensions') ?? ''
    expect(granted.split(/\s*;\s*/)).toContain('permessage-deflate')
    expect(granted.split(/\s*;\s*/)).toContain('server_no_context_takeover')
  })

  it('does not grant it to who does not offer it, nor what it does not know', async () => {
    for (const headers of [
      [],
      [['Sec-WebSocket-Extensions', 'x-webkit-deflate-frame']],
      [['Sec-WebSocket-Extensions', 'permessage-deflate; unknown_parameter']],
    ] as const) {
      const answer = await echo(headers).catch((error: unknown) => error)
      if (answer instanceof Error) expect(answer.message).toMatch(/status 400/)
      else expect(header((answer as RawWebSocket).head, 'sec-websocket-extensions')).toBeUndefined()
    }
  })
})

describe('messages, section 7.2', () => {
  it.each([
    ['', 'empty'],
    ['a', 'short'],
    ['é€😀 '.repeat(1_000), 'of many characters'],
    ['x'.repeat(65_536), 'of 64 KiB'],
  ])('come back as they were, plain or compressed (%#: %s)', async (payload) => {
    const socket = await echo()
    socket.send(compressedText(payload), frame({ opcode: opcodes.text, payload }), compressedText(payload))
    for (let count = 0; count < 3; count++) {
      const message = await socket.readFrame()
      expect(message.opcode).toBe(opcodes.text)
      expect(inflated(message).toString() === payload).toBe(true)
    }
  })

  it('are whole for receivers with compression and without, at once', async () => {
    const socket = await echo()
    const plain = await openWebSocket(server.port, `/channels/deflated/${channels}`)
    const payload = 'both hear this. '.repeat(500)
    socket.send(compressedText(payload))
    expect(inflated(await socket.readFrame()).toString()).toBe(payload)
    expect((await plain.readMessage()).payload.toString()).toBe(payload)
  })

  it('may come in fragments, the first of which says that they are compressed', async () => {
    const socket = await echo()
    const bytes = deflated('in pieces, '.repeat(100))
    const cut = Math.floor(bytes.length / 2)
    socket.send(
      frame({ fin: false, opcode: opcodes.text, rsv: rsv1, payload: bytes.subarray(0, cut) }),
      ping('between'),
      frame({ opcode: opcodes.continuation, payload: bytes.subarray(cut) }),
    )
    expect((await socket.readFrame()).opcode).toBe(opcodes.pong)
    expect(inflated(await socket.readFrame()).toString()).toBe('in pieces, '.repeat(100))
  })
})

describe('what is not right', () => {
  it.each([
    ['the bit on a control frame', () => frame({ opcode: opcodes.ping, rsv: rsv1 })],
    [
      'the bit on a later fragment',
      () =>
        Buffer.concat([
          frame({ fin: false, opcode: opcodes.text, rsv: rsv1, payload: 'x' }),
          frame({ opcode: opcodes.continuation, rsv: rsv1 }),
        ]),
    ],
    ['another reserved bit', () => frame({ opcode: opcodes.text, rsv: 6, payload: deflated('x') })],
  ])('%s fails with 1002', async (_what, bytes) => {
    const socket = await echo()
    socket.send(bytes())
    expect((await socket.readClose()).code).toBe(1002)
    await socket.connection.untilEnd()
  })

  it('bytes that are not compressed fail with 1002 or 1007', async () => {
    const socket = await echo()
    socket.send(frame({ opcode: opcodes.binary, rsv: rsv1, payload: Buffer.alloc(64, 0xff) }))
    expect([1002, 1007]).toContain((await socket.readClose()).code)
  })

  it('text that is not UTF-8 once it is unpacked fails with 1007', async () => {
    const socket = await echo()
    socket.send(compressedText(Buffer.of(0x61, 0xff)))
    expect((await socket.readClose()).code).toBe(1007)
  })

  it('a small frame that unpacks to 64 MiB fails with 1009 or 4413, and costs no such memory', async () => {
    const bomb = frame({ opcode: opcodes.binary, rsv: rsv1, payload: deflated(Buffer.alloc(64 * 1024 * 1024)) })
    const before = process.memoryUsage().rss
    for (let count = 0; count < 8; count++) {
      const socket = await echo()
      socket.send(bomb)
      expect([1009, 4413]).toContain((await socket.readClose()).code)
      socket.connection.close()
    }
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 1024 * 1024)
  })
})
