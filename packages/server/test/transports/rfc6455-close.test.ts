import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { closeRaw } from '../support/raw-client.ts'
import { header, send } from '../support/raw-http.ts'
import { binary, close, closePayload, frame, opcodes, openWebSocket, ping, text } from '../support/raw-websocket.ts'
import type { RawWebSocket } from '../support/raw-websocket.ts'
import { startServer } from '../support/start-server.ts'
import type { TestServer } from '../support/start-server.ts'

// RFC 6455, sections 5.5.1 and 7 (the closing handshake), 5.6 and 8.1 (UTF-8), against a channel used as an echo.

let server: TestServer
let channels = 0

beforeAll(async () => {
  server = await startServer()
})
afterAll(async () => await server.close())
afterEach(closeRaw)

async function echo(): Promise<RawWebSocket> {
  return await openWebSocket(server.port, `/channels/echo/${++channels}`)
}

async function expectEchoOf(bytes: Buffer, ...frames: readonly Uint8Array[]): Promise<void> {
  const socket = await echo()
  socket.send(...frames)
  const message = await socket.readMessage()
  expect(message.opcode).toBe(opcodes.text)
  expect(message.payload.toString('hex')).toBe(bytes.toString('hex'))
}

async function expectCloses(code: number, ...frames: readonly Uint8Array[]): Promise<void> {
  const socket = await echo()
  socket.send(...frames)
  expect((await socket.readClose()).code).toBe(code)
  await socket.connection.untilEnd('the end of the TCP connection after the close frame')
}

/** The bytes as one message of these fragments. */
function fragments(...parts: readonly Uint8Array[]): Buffer[] {
  return parts.map((payload, index) =>
    frame({ opcode: index === 0 ? opcodes.text : opcodes.continuation, payload, fin: index === parts.length - 1 }),
  )
}

const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex')

describe('section 5.6 and 8.1: text is UTF-8', () => {
  it.each([
    ['ASCII', 'plain'],
    ['two bytes', 'é ß ж'],
    ['three bytes', 'κόσμε 漢字 €'],
    ['four bytes', '😀 𝄞 \u{10FFFF}'],
    ['NUL and control characters', '\0\u0001\u001f\u007f'],
    ['a byte order mark at its begin', '\uFEFFmarked'],
    ['noncharacters', '\uFFFE\uFFFF\uFDD0\u{1FFFE}'],
    ['the replacement character', '\uFFFD'],
    ['the borders of each length', '\u007f\u0080\u07ff\u0800\ud7ff\ue000\uffff\u{10000}'],
    ['line ends of all kinds', 'a\rb\nc\r\nd\u2028e\u2029f\u0085'],
  ])('%s comes back as it was', async (_what, value) => {
    await expectEchoOf(Buffer.from(value), text(value))
  })

  it('a character may be cut by fragments anywhere', async () => {
    const value = Buffer.from('é€😀')
    for (let cut = 0; cut <= value.length; cut++) await expectEchoOf(value, ...fragments(value.subarray(0, cut), value.subarray(cut)))
    await expectEchoOf(value, ...fragments(...Array.from(value, (byte) => Buffer.of(byte))))
  })

  it.each([
    ['a lone continuation byte', '80'],
    ['another', '61 bf 61'],
    ['an overlong slash in two bytes', 'c0 af'],
    ['an overlong NUL', 'c0 80'],
    ['the largest overlong of two', 'c1 bf'],
    ['an overlong of three', 'e0 80 af'],
    ['the largest overlong of three', 'e0 9f bf'],
    ['an overlong of four', 'f0 80 80 af'],
    ['the largest overlong of four', 'f0 8f bf bf'],
    ['the first surrogate', 'ed a0 80'],
    ['the last surrogate', 'ed bf bf'],
    ['a pair of surrogates', 'ed a0 bd ed b8 80'],
    ['above U+10FFFF', 'f4 90 80 80'],
    ['five bytes', 'f8 88 80 80 80'],
    ['fe', 'fe'],
    ['ff', 'ff'],
    ['a begin of two without its end', 'c3'],
    ['a begin of three with one', 'e2 82'],
    ['a begin of four with two', 'f0 9f 98'],
    ['a begin that another follows', 'e2 82 41'],
    ['the RFC test of Autobahn', 'ce ba e1 bd b9 cf 83 ce bc ce b5 ed a0 80 65 64 69 74 65 64'],
  ])('%s fails the connection with 1007, wherever fragments cut it', async (_what, hex) => {
    const value = bytes(hex)
    await expectCloses(1007, text(value))
    await expectCloses(1007, ...fragments(Buffer.from('good '), value))
    for (let cut = 1; cut < value.length; cut++) await expectCloses(1007, ...fragments(value.subarray(0, cut), value.subarray(cut)))
  })

  it('bytes are not text: the same comes back from a binary frame', async () => {
    const socket = await echo()
    socket.send(binary(bytes('c0 80 ff fe ed a0 80')))
    expect(await socket.readMessage()).toEqual({ opcode: opcodes.binary, payload: bytes('c0 80 ff fe ed a0 80') })
  })

  it('nothing of it is published', async () => {
    await expectCloses(1007, text(bytes('61 ff')))
    const head = await send(server.port, { method: 'HEAD', path: `/channels/echo/${channels}` })
    expect(header(head, 'fanfare-count')).toBe('0')
  })
})

describe('section 5.5.1 and 7.1: closing', () => {
  it.each([1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999])(
    'the code %i is answered with itself, and TCP ends',
    async (code) => {
      await expectCloses(code, close(code))
      await expectCloses(code, close(code, 'a reason: 😀'))
    },
  )

  it('a close without a code is answered without one, or with 1000', async () => {
    const socket = await echo()
    socket.send(close())
    expect([1000, 1005]).toContain((await socket.readClose()).code)
    await socket.connection.untilEnd()
  })

  it('a reason of 123 bytes fits', async () => {
    await expectCloses(1000, close(1000, Buffer.alloc(123, 'x')))
  })

  it.each([0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535])(
    'the code %i, which nobody may send, fails with 1002 (7.4)',
    async (code) => {
      await expectCloses(1002, close(code))
      await expectCloses(1002, close(code, 'reason'))
    },
  )

  it('a payload of one byte is no code and fails with 1002', async () => {
    await expectCloses(1002, frame({ opcode: opcodes.close, payload: 'x' }))
  })

  it.each([['c0 80'], ['ff'], ['ed a0 80'], ['e2 82'], ['61 62 f4 90 80 80']])(
    'a reason that is not UTF-8 (%s) fails with 1007 (7.1.6)',
    async (hex) => {
      await expectCloses(1007, frame({ opcode: opcodes.close, payload: closePayload(1000, bytes(hex)) }))
    },
  )

  it('data and pings behind a close are ignored: nothing is published, nothing answered', async () => {
    const socket = await echo()
    socket.send(text('before'), close(1000), text('after'), ping('after'), close(1001), frame({ opcode: 3 }))
    const first = await socket.readFrame()
    // The echo of what came before the close may be there in time, or not.
    const last = first.opcode === opcodes.text ? await socket.readFrame() : first
    expect(last).toEqual({ fin: true, opcode: opcodes.close, payload: closePayload(1000) })
    expect((await socket.connection.untilEnd()).length).toBe(0)
    const head = await send(server.port, { method: 'HEAD', path: `/channels/echo/${channels}` })
    expect(header(head, 'fanfare-count')).toBe('1')
  })

  it('a close inside a message of fragments is answered, and the rest of the message is void', async () => {
    const socket = await echo()
    socket.send(
      frame({ opcode: opcodes.text, payload: 'a', fin: false }),
      close(1001),
      frame({ opcode: opcodes.continuation, payload: 'b' }),
    )
    expect((await socket.readClose()).code).toBe(1001)
    await socket.connection.untilEnd()
  })

  it('the server ends TCP itself after a failure, also for a client that never answers (7.1.7)', async () => {
    const socket = await echo()
    socket.send(frame({ opcode: opcodes.text, payload: 'x', mask: null }))
    expect((await socket.readClose()).code).toBe(1002)
    await socket.connection.untilEnd('TCP to end though the client says nothing')
  })

  it('a client that is cut off without a word leaves the channel to the others', async () => {
    const socket = await echo()
    const other = await openWebSocket(server.port, `/channels/echo/${channels}`)
    socket.connection.reset()
    other.send(text('still here'))
    expect((await other.readMessage()).payload.toString()).toBe('still here')
  })

  it('a client that ends TCP without a close frame gets an end, not a hang', async () => {
    const socket = await echo()
    socket.connection.end()
    await socket.connection.untilEnd()
  })
})
