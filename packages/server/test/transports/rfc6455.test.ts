import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { closeRaw } from '../support/raw-client.ts'
import { header, send } from '../support/raw-http.ts'
import { binary, close, closePayload, frame, opcodes, openWebSocket, ping, pong, text } from '../support/raw-websocket.ts'
import type { FrameParts, RawWebSocket } from '../support/raw-websocket.ts'
import { startServer } from '../support/start-server.ts'
import type { TestServer } from '../support/start-server.ts'

// RFC 6455, sections 5 to 8, against a channel used as an echo: what a client sends is published, and since it follows the channel it comes back.
// Each frame of the server's is checked as it is read: unmasked, no reserved bits, known opcode, shortest length, control frames small and whole.

const KiB = 1024
const MiB = 1024 * KiB
let server: TestServer
let channels = 0

beforeAll(async () => {
  server = await startServer({ rules: [{ match: 'small', payloadBytes: KiB }] })
})
afterAll(async () => await server.close())
afterEach(closeRaw)

/** A receiver of a channel of its own. */
async function echo(): Promise<RawWebSocket> {
  return await openWebSocket(server.port, `/channels/echo/${++channels}`)
}

async function expectEcho(socket: RawWebSocket, opcode: number, payload: Uint8Array | string): Promise<void> {
  const message = await socket.readMessage()
  expect(message.opcode).toBe(opcode)
  expect(message.payload.equals(Buffer.from(payload))).toBe(true)
}

/** The server sends a close frame with one of the codes and then ends the connection by itself. */
async function expectFails(socket: RawWebSocket, ...codes: readonly number[]): Promise<void> {
  expect(codes).toContain((await socket.readClose()).code)
  await socket.connection.untilEnd('the end of the TCP connection after the close frame')
}

async function expectFailsAfter(codes: readonly number[], ...frames: readonly Uint8Array[]): Promise<void> {
  const socket = await echo()
  socket.send(...frames)
  await expectFails(socket, ...codes)
}

const fragment = (parts: Omit<FrameParts, 'fin'>): Buffer => frame({ ...parts, fin: false })
const more = (payload: Uint8Array | string): Buffer => fragment({ opcode: opcodes.continuation, payload })
const last = (payload: Uint8Array | string): Buffer => frame({ opcode: opcodes.continuation, payload })

describe('section 5.1 and 5.3: masking', () => {
  it.each(Object.entries(opcodes))('a %s frame without a mask fails the connection with 1002', async (_name, opcode) => {
    await expectFailsAfter([1002], frame({ opcode, payload: opcode === opcodes.close ? closePayload(1000) : 'x', mask: null }))
  })

  it('an unmasked fragment in the midst of a masked message fails it too', async () => {
    await expectFailsAfter(
      [1002],
      fragment({ opcode: opcodes.text, payload: 'a' }),
      frame({ opcode: opcodes.continuation, payload: 'b', mask: null }),
    )
  })

  it('any mask is undone, at any length', async () => {
    const socket = await echo()
    for (const mask of [Buffer.alloc(4), Buffer.alloc(4, 255), Buffer.of(0, 0, 0, 1), Buffer.of(0x12, 0x34, 0x56, 0x78)]) {
      for (let length = 0; length <= 17; length++) {
        const payload = Buffer.alloc(length, 0).map((_, index) => index * 7)
        socket.send(frame({ opcode: opcodes.binary, payload, mask }))
        await expectEcho(socket, opcodes.binary, payload)
      }
    }
  })

  it('each fragment is undone with its own mask, from its own first byte', async () => {
    const socket = await echo()
    socket.send(fragment({ opcode: opcodes.text, payload: 'abc', mask: Buffer.of(1, 2, 3, 4) }), more('defgh'), last('i'))
    await expectEcho(socket, opcodes.text, 'abcdefghi')
  })
})

describe('section 5.2: base framing', () => {
  it.each([1, 2, 4, 7])('reserved bits %i fail the connection with 1002, in data, fragments and control frames', async (rsv) => {
    for (const opcode of [opcodes.text, opcodes.binary, opcodes.close, opcodes.ping, opcodes.pong])
      await expectFailsAfter([1002], frame({ opcode, rsv }))
    await expectFailsAfter([1002], fragment({ opcode: opcodes.text, payload: 'a' }), frame({ opcode: opcodes.continuation, rsv }))
  })

  it.each([3, 4, 5, 6, 7, 11, 12, 13, 14, 15])('the reserved opcode %i fails the connection with 1002', async (opcode) => {
    await expectFailsAfter([1002], frame({ opcode }))
    await expectFailsAfter([1002], frame({ opcode, payload: 'x', fin: false }))
    await expectFailsAfter([1002], fragment({ opcode: opcodes.text, payload: 'a' }), frame({ opcode }))
  })

  it.each([0, 1, 124, 125, 126, 127, 128, 65_535, 65_536])(
    'a payload of %i bytes comes back whole, with the shortest length',
    async (length) => {
      const socket = await echo()
      const payload = Buffer.alloc(length, 'x')
      socket.send(text(payload), binary(payload))
      await expectEcho(socket, opcodes.text, payload)
      await expectEcho(socket, opcodes.binary, payload)
    },
  )

  it('a length in more bytes than it needs is refused with 1002 or read rightly, never misread', async () => {
    for (const lengthBytes of [2, 8] as const) {
      const socket = await echo()
      socket.send(frame({ opcode: opcodes.text, payload: 'long way', lengthBytes }), text('next'))
      const first = await socket.readFrame()
      if (first.opcode === opcodes.close) {
        expect(first.payload.readUInt16BE(0)).toBe(1002)
      } else {
        expect(first.payload.toString()).toBe('long way')
        await expectEcho(socket, opcodes.text, 'next')
      }
    }
  })

  it('a 64-bit length with its highest bit set fails the connection', async () => {
    await expectFailsAfter([1002, 1009], frame({ opcode: opcodes.binary, claimed: 1n << 63n }))
    await expectFailsAfter([1002, 1009], frame({ opcode: opcodes.binary, claimed: (1n << 64n) - 1n }))
  })

  it('frames are read alike byte by byte and many in one segment', async () => {
    const socket = await echo()
    for (const byte of Buffer.concat([text('slow'), ping('p'), binary(Buffer.of(1, 2))])) await socket.connection.sent(Buffer.of(byte))
    await expectEcho(socket, opcodes.text, 'slow')
    await expectEcho(socket, opcodes.binary, Buffer.of(1, 2))
    const words = Array.from({ length: 200 }, (_, index) => `word ${index}`)
    socket.send(...words.map((word) => text(word)))
    for (const word of words) await expectEcho(socket, opcodes.text, word)
  })
})

describe('section 5.4: fragmentation', () => {
  it.each([
    ['two fragments', ['ab', 'cd']],
    ['three', ['a', 'b', 'c']],
    ['an empty first', ['', 'abc']],
    ['an empty last', ['abc', '']],
    ['an empty middle', ['ab', '', 'c']],
    ['nothing but empty ones', ['', '', '']],
    ['one byte each', [...'a message of many fragments, each of one byte']],
  ])('a message of %s is one message, as text and as bytes', async (_what, parts) => {
    for (const opcode of [opcodes.text, opcodes.binary]) {
      const socket = await echo()
      const frames = parts.map((payload, index) =>
        frame({ opcode: index === 0 ? opcode : opcodes.continuation, payload, fin: index === parts.length - 1 }),
      )
      socket.send(...frames, text('next'))
      await expectEcho(socket, opcode, parts.join(''))
      await expectEcho(socket, opcodes.text, 'next')
    }
  })

  it.each([
    ['a last fragment without a first', [last('a')]],
    ['a fragment in between without a first', [more('a')]],
    ['a continuation after a whole message', [text('whole'), last('a')]],
    ['a continuation after the last fragment', [fragment({ opcode: opcodes.text, payload: 'a' }), last('b'), last('c')]],
    ['a text message inside another', [fragment({ opcode: opcodes.text, payload: 'a' }), text('b')]],
    ['a binary message inside a text', [fragment({ opcode: opcodes.text, payload: 'a' }), binary(Buffer.from('b'))]],
    ['a second first fragment', [fragment({ opcode: opcodes.binary, payload: 'a' }), fragment({ opcode: opcodes.binary, payload: 'b' })]],
  ])('%s fails the connection with 1002', async (_what, frames) => {
    await expectFailsAfter([1002], ...frames)
  })

  it('control frames are answered between fragments, and the message stays whole', async () => {
    const socket = await echo()
    socket.send(fragment({ opcode: opcodes.text, payload: 'be' }), ping('1'), more('twe'), pong('unasked'), ping('2'), last('en'))
    expect(await socket.readFrame()).toEqual({ fin: true, opcode: opcodes.pong, payload: Buffer.from('1') })
    expect(await socket.readFrame()).toEqual({ fin: true, opcode: opcodes.pong, payload: Buffer.from('2') })
    await expectEcho(socket, opcodes.text, 'between')
  })

  it('a ping is answered before the message that it interrupts is there', async () => {
    const socket = await echo()
    socket.send(fragment({ opcode: opcodes.text, payload: 'half' }), ping('now'))
    expect((await socket.readFrame()).payload.toString()).toBe('now')
    socket.send(last(' whole'))
    await expectEcho(socket, opcodes.text, 'half whole')
  })

  it('nothing of a message that never ends is published', async () => {
    const socket = await echo()
    const address = `/channels/echo/${channels}`
    socket.send(fragment({ opcode: opcodes.text, payload: 'half' }), close(1000))
    await expectFails(socket, 1000)
    expect(header(await send(server.port, { method: 'HEAD', path: address }), 'fanfare-count')).toBe('0')
  })
})

describe('section 5.5: control frames', () => {
  it.each([opcodes.close, opcodes.ping, opcodes.pong])(
    'opcode %i with more than 125 bytes fails the connection with 1002',
    async (opcode) => {
      const payload = Buffer.concat([Buffer.of(3, 232), Buffer.alloc(124, 'x')])
      await expectFailsAfter([1002], frame({ opcode, payload }))
      await expectFailsAfter([1002], frame({ opcode, claimed: 1_000_000n, payload: 'x' }))
    },
  )

  it.each([opcodes.close, opcodes.ping, opcodes.pong])('opcode %i in fragments fails the connection with 1002', async (opcode) => {
    await expectFailsAfter([1002], fragment({ opcode }), last(''))
  })
})

describe('section 5.5.2 and 5.5.3: ping and pong', () => {
  it.each([0, 1, 64, 125])('a ping of %i bytes gets a pong with the same bytes', async (length) => {
    const socket = await echo()
    const payload = Buffer.alloc(length).map((_, index) => 255 - index)
    socket.send(ping(payload))
    expect(await socket.readFrame()).toEqual({ fin: true, opcode: opcodes.pong, payload })
  })

  it('of many pings at least the newest is answered, and pongs keep the order', async () => {
    const socket = await echo()
    socket.send(...Array.from({ length: 50 }, (_, index) => ping(String(index))))
    const seen: number[] = []
    while (seen.at(-1) !== 49) seen.push(Number((await socket.readFrame()).payload.toString()))
    expect(seen).toEqual([...seen].sort((a, b) => a - b))
  })

  it('pongs that nobody asked for are ignored', async () => {
    const socket = await echo()
    socket.send(pong(), pong('x'), pong(Buffer.alloc(125, 255)), text('after'))
    await expectEcho(socket, opcodes.text, 'after')
  })
})

describe('section 10.4: limits of an implementation', () => {
  it('a payload at the channel’s limit passes, one byte more closes with 4413, in one frame and in fragments', async () => {
    const socket = await openWebSocket(server.port, '/channels/small')
    socket.send(text(Buffer.alloc(KiB, 'x')))
    await expectEcho(socket, opcodes.text, Buffer.alloc(KiB, 'x'))
    socket.send(text(Buffer.alloc(KiB + 1, 'x')))
    expect((await socket.closed()).code).toBe(4413)
    const other = await openWebSocket(server.port, '/channels/small')
    other.send(fragment({ opcode: opcodes.binary, payload: Buffer.alloc(KiB) }), last('x'))
    expect((await other.closed()).code).toBe(4413)
    const count = header(await send(server.port, { method: 'HEAD', path: '/channels/small' }), 'fanfare-count')
    expect(count).toBe('1')
  })

  it('a frame over the server’s bound fails with 1009 at its header, before its payload is there', async () => {
    for (const claimed of [BigInt(64 * MiB), 1n << 40n, (1n << 53n) + 1n])
      await expectFailsAfter([1009], frame({ opcode: opcodes.binary, claimed }))
  })

  it('a message that grows over the bound by fragments fails with 1009 or 4413', async () => {
    const socket = await echo()
    socket.send(fragment({ opcode: opcodes.binary, payload: Buffer.alloc(60 * KiB) }))
    for (let sent = 0; sent < 64 && !socket.connection.ended && socket.connection.pending.length === 0; sent++) {
      await socket.connection.sent(more(Buffer.alloc(60 * KiB)))
    }
    expect([1009, 4413]).toContain((await socket.closed()).code)
  })

  it('fragments of nothing without end are bounded too', async () => {
    const socket = await echo()
    const flood = Buffer.concat(
      Array.from({ length: 10_000 }, () => frame({ fin: false, opcode: opcodes.continuation, mask: Buffer.alloc(4) })),
    )
    socket.send(fragment({ opcode: opcodes.text }))
    let sent = 0
    while (sent < 200 && !socket.connection.ended && socket.connection.pending.length === 0) {
      await socket.connection.sent(flood)
      sent++
    }
    expect([1008, 1009, 4413]).toContain((await socket.closed()).code)
    expect(sent).toBeLessThan(200)
  })
})
