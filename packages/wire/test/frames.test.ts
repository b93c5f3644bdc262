import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  beginChunk,
  ByteWriter,
  cutToBytes,
  encodeUtf8,
  endChunk,
  frameHeaderLength,
  lastChunk,
  opcodes,
  utf8Length,
  writeBinaryFrame,
  writeChunk,
  writeCloseFrame,
  writeFrame,
  writeFrameHeader,
  writePingFrame,
  writeTextFrame,
} from '../src/index.ts'
import type { Opcode } from '../src/index.ts'
import { bytesOf, hexOf, readVectors, textOf } from './vectors.ts'

type Frame =
  | { frame: 'text'; text: string; hex: string }
  | { frame: 'binary' | 'ping'; payload: string; hex: string }
  | { frame: 'close'; code: number; reason: string; hex: string }

const vectors = readVectors('websocket-frame') as {
  headers: { opcode: keyof typeof opcodes; length: number; rsv1?: boolean; final?: boolean; hex: string }[]
  frames: Frame[]
}
const chunks = readVectors('chunk') as { chunks: { text: string; known: string; patched: string }[] }

function written(write: (out: ByteWriter) => void): Uint8Array {
  const out = new ByteWriter(1)
  write(out)
  return out.slice()
}

function writeRow(out: ByteWriter, row: Frame): void {
  if (row.frame === 'text') writeTextFrame(out, row.text)
  else if (row.frame === 'close') writeCloseFrame(out, row.code, row.reason)
  else if (row.frame === 'ping') writePingFrame(out, bytesOf({ hex: row.payload }))
  else writeBinaryFrame(out, bytesOf({ hex: row.payload }))
}

/** A frame as RFC 6455, section 5.2, reads it. */
function readFrame(bytes: Uint8Array) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const first = view.getUint8(0)
  const short = view.getUint8(1)
  const length = short === 126 ? view.getUint16(2) : short === 127 ? Number(view.getBigUint64(2)) : short
  const header = short === 126 ? 4 : short === 127 ? 10 : 2
  return { final: first >= 0x80, rsv: (first >> 4) & 7, opcode: first & 15, masked: short >= 0x80, length, payload: bytes.subarray(header) }
}

describe('a frame of a WebSocket', () => {
  it.each(vectors.headers)('$opcode of $length bytes begins with $hex', ({ opcode, length, hex, ...options }) => {
    expect(hexOf(written((out) => writeFrameHeader(out, opcodes[opcode], length, options)))).toBe(hex)
    expect(frameHeaderLength(length)).toBe(hex.length / 2)
  })

  it.each(vectors.frames)('$frame is $hex', (row) => {
    expect(hexOf(written((out) => writeRow(out, row)))).toBe(row.hex)
  })

  it('is read back as what it was, not masked, whatever the length', () => {
    const opcode = fc.constantFrom<Opcode>(opcodes.text, opcodes.binary, opcodes.continuation)
    const length = fc.oneof(fc.nat(300), fc.integer({ min: 65_500, max: 65_600 }))
    fc.assert(
      fc.property(opcode, length, fc.boolean(), fc.boolean(), (opcode, length, rsv1, final) => {
        const payload = new Uint8Array(length).fill(0x61)
        const frame = readFrame(written((out) => writeFrame(out, opcode, payload, { rsv1, final })))
        expect({ ...frame, payload: frame.payload.length }).toEqual({
          final,
          rsv: rsv1 ? 4 : 0,
          opcode,
          masked: false,
          length,
          payload: length,
        })
      }),
    )
  })

  it('for control is refused to be long, in fragments or compressed', () => {
    const out = new ByteWriter()
    expect(() => writePingFrame(out, new Uint8Array(126))).toThrow(RangeError)
    expect(() => writeFrameHeader(out, opcodes.close, 2, { final: false })).toThrow(RangeError)
    expect(() => writeFrameHeader(out, opcodes.pong, 2, { rsv1: true })).toThrow(RangeError)
    expect(out.length).toBe(0)
  })

  it('that closes carries as much of its reason as fits, and no half characters', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 200 }), (reason) => {
        const { length, payload } = readFrame(written((out) => writeCloseFrame(out, 4413, reason)))
        const kept = textOf(payload.subarray(2))
        expect(length).toBeLessThanOrEqual(125)
        expect(reason.startsWith(kept)).toBe(true)
        expect(kept === reason || length > 125 - 4).toBe(true)
        expect((payload[0] ?? 0) * 256 + (payload[1] ?? 0)).toBe(4413)
      }),
    )
  })
})

describe('a text that is cut to bytes', () => {
  it('is as long as fits', () => {
    expect(cutToBytes('aé\u{1f600}', 3)).toBe('aé')
    expect(cutToBytes('aé\u{1f600}', 6)).toBe('aé')
    expect(cutToBytes('aé\u{1f600}', 7)).toBe('aé\u{1f600}')
    expect(cutToBytes('é', 1)).toBe('')
    expect(utf8Length(cutToBytes('日'.repeat(100), 100))).toBe(99)
  })
})

describe('a chunk of HTTP/1.1', () => {
  it.each(chunks.chunks)('of "$text" has its size before it', ({ text, known, patched }) => {
    expect(textOf(written((out) => writeChunk(out, encodeUtf8(text))))).toBe(known)
    const later = written((out) => {
      const begun = beginChunk(out)
      out.utf8(text)
      endChunk(out, begun)
    })
    expect(textOf(later)).toBe(patched)
  })

  it('holds all that was written between, so that joined chunks are the joined bytes', () => {
    fc.assert(
      fc.property(fc.array(fc.array(fc.uint8Array({ maxLength: 400 }))), (groups) => {
        const out = new ByteWriter(1)
        for (const group of groups) {
          const begun = beginChunk(out)
          for (const bytes of group) out.raw(bytes)
          endChunk(out, begun)
        }
        out.ascii(lastChunk)
        expect(hexOf(bodyOf(out.slice()))).toBe(Buffer.concat(groups.flat()).toString('hex'))
      }),
    )
  })
})

/** The body of a chunked message that ends where it should: RFC 9112, section 7.1.3. */
function bodyOf(bytes: Uint8Array): Uint8Array {
  const body: Uint8Array[] = []
  const raw = Buffer.from(bytes)
  for (let at = 0; ;) {
    const lineEnd = raw.indexOf('\r\n', at)
    const size = Number.parseInt(raw.toString('latin1', at, lineEnd), 16)
    const end = lineEnd + 2 + size
    if (raw.toString('latin1', end, end + 2) !== '\r\n') throw new Error('a chunk ends with CRLF')
    if (size === 0) {
      if (end + 2 !== raw.length) throw new Error('nothing follows the last chunk')
      return Buffer.concat(body)
    }
    body.push(raw.subarray(lineEnd + 2, end))
    at = end + 2
  }
}
