import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteWriter, decodeUtf8, encodeUtf8, isUtf8, readBase64, utf8Length, writeBase64 } from '../src/index.ts'
import { bytesOf, hexOf, readVectors } from './vectors.ts'

const base64 = readVectors('base64') as { valid: { hex: string; base64: string }[]; invalid: { base64: string; why: string }[] }
const utf8 = readVectors('utf8') as { valid: { hex: string; text: string }[]; invalid: { hex: string; decoded: string; why: string }[] }

function written(write: (out: ByteWriter) => void): Uint8Array {
  const out = new ByteWriter(1)
  write(out)
  return out.slice()
}

describe('base64', () => {
  it.each(base64.valid)('$base64 is $hex', ({ hex, base64 }) => {
    expect(Buffer.from(written((out) => writeBase64(out, bytesOf({ hex })))).toString('latin1')).toBe(base64)
    expect(hexOf(readBase64(base64) ?? encodeUtf8('none'))).toBe(hex)
  })

  it.each(base64.invalid)('$base64 is none: $why', ({ base64 }) => {
    expect(readBase64(base64)).toBeUndefined()
  })

  it('is what Node makes of any bytes, and comes back', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        const text = Buffer.from(bytes).toString('base64')
        expect(Buffer.from(written((out) => writeBase64(out, bytes))).toString()).toBe(text)
        expect(readBase64(text)).toEqual(bytes)
      }),
    )
  })

  it('reads only the one text that would be written for its bytes', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('A', 'B', 'g', 'w', '+', '/', '=', '0', '9'), maxLength: 8 }), (text) => {
        const bytes = readBase64(text)
        expect(bytes === undefined || Buffer.from(bytes).toString('base64') === text).toBe(true)
      }),
      { numRuns: 2000 },
    )
  })

  it('takes a text of 8 MiB', () => {
    expect(readBase64('A'.repeat(8 * 1024 * 1024))?.length).toBe(6 * 1024 * 1024)
  })
})

describe('UTF-8', () => {
  it.each(utf8.valid)('$hex is valid', ({ hex, text }) => {
    expect(isUtf8(bytesOf({ hex }))).toBe(true)
    expect(decodeUtf8(bytesOf({ hex }))).toBe(text)
    expect(hexOf(encodeUtf8(text))).toBe(hex)
    expect(utf8Length(text)).toBe(hex.length / 2)
  })

  it.each(utf8.invalid)('$hex is not: $why', ({ hex, decoded }) => {
    expect(isUtf8(bytesOf({ hex }))).toBe(false)
    expect(decodeUtf8(bytesOf({ hex }))).toBe(decoded)
  })

  it('is checked and read as the Encoding Standard has it, whatever the bytes', () => {
    const near = fc.constantFrom(
      0x00,
      0x41,
      0x80,
      0x8f,
      0x90,
      0x9f,
      0xa0,
      0xbf,
      0xc1,
      0xc2,
      0xdf,
      0xe0,
      0xe1,
      0xed,
      0xef,
      0xf0,
      0xf1,
      0xf4,
      0xf5,
      0xff,
    )
    const lossy = new TextDecoder('utf-8', { ignoreBOM: true })
    fc.assert(
      fc.property(fc.array(near, { maxLength: 12 }), (values) => {
        const bytes = Uint8Array.from(values)
        const expected = lossy.decode(bytes)
        expect(decodeUtf8(bytes)).toBe(expected)
        expect(isUtf8(bytes)).toBe(hexOf(encodeUtf8(expected)) === hexOf(bytes))
      }),
      { numRuns: 5000 },
    )
  })

  it('of a long text is read over the borders of its pieces', () => {
    for (const shift of [0, 1, 2, 3]) {
      const text = 'x'.repeat(4094 + shift) + '\u{1f600}é'.repeat(3000)
      expect(decodeUtf8(encodeUtf8(text)) === text).toBe(true)
    }
  })

  it('of a part does not look behind its end', () => {
    expect(decodeUtf8(encodeUtf8('aéb'), 0, 2)).toBe('a\ufffd')
    expect(decodeUtf8(encodeUtf8('aéb'), 1, 3)).toBe('é')
  })

  it('is written from any string as TextEncoder writes it', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.nat(0xffff), (text, unit) => {
        const any = text + String.fromCharCode(unit)
        const expected = new TextEncoder().encode(any)
        expect(hexOf(written((out) => out.utf8(any)))).toBe(hexOf(expected))
        expect(utf8Length(any)).toBe(expected.length)
      }),
    )
  })
})

describe('a writer', () => {
  it('holds what was written, in order, whatever the sizes', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.uint8Array(), fc.string({ unit: 'binary' }), fc.nat(255))), (parts) => {
        const out = new ByteWriter(0)
        for (const part of parts) {
          if (typeof part === 'number') out.byte(part)
          else if (typeof part === 'string') out.utf8(part)
          else out.raw(part)
        }
        const expected = Buffer.concat(parts.map((part) => (typeof part === 'number' ? Buffer.of(part) : Buffer.from(part))))
        expect(hexOf(out.slice())).toBe(expected.toString('hex'))
        expect(out.length).toBe(expected.length)
      }),
    )
  })

  it('gives a copy that later writes do not change', () => {
    const out = new ByteWriter()
    out.ascii('abc')
    const copy = out.slice(1)
    out.clear()
    out.ascii('xyz')
    expect(hexOf(copy)).toBe(hexOf(encodeUtf8('bc')))
  })

  it('cuts, patches, and refuses to cut to more than it has', () => {
    const out = new ByteWriter()
    out.ascii('abcdef')
    out.truncate(3)
    out.patch(0, 0x78)
    expect(hexOf(out.slice())).toBe(hexOf(encodeUtf8('xbc')))
    expect(() => out.truncate(4)).toThrow(RangeError)
  })

  it('gives the room of a huge entry back', () => {
    const out = new ByteWriter()
    out.room(8 * 1024 * 1024)
    out.clear()
    expect(out.room(1).buffer.byteLength).toBeLessThan(2048)
  })
})
