import { ByteWriter, utf8Length } from './byte-writer.ts'

/** Length of the sequence that begins at `at` with a byte of 0x80 or more, or 0 where it is not valid UTF-8 (RFC 3629, section 4). */
export function utf8SequenceLength(bytes: Uint8Array, at: number): number {
  const lead = bytes[at] ?? 0
  const second = at + 1 < bytes.length ? (bytes[at + 1] ?? 0) : 0
  if (lead < 0xc2 || lead > 0xf4) return 0
  if (lead < 0xe0) return (second & 0xc0) === 0x80 ? 2 : 0
  const low = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80
  const high = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf
  if (second < low || second > high || !isTail(bytes, at + 2)) return 0
  if (lead < 0xf0) return 3
  return isTail(bytes, at + 3) ? 4 : 0
}

function isTail(bytes: Uint8Array, at: number): boolean {
  return at < bytes.length && ((bytes[at] ?? 0) & 0xc0) === 0x80
}

export function isUtf8(bytes: Uint8Array): boolean {
  const length = bytes.length
  let at = 0
  while (at < length) {
    if ((bytes[at] ?? 0) < 0x80) {
      at++
      continue
    }
    const step = utf8SequenceLength(bytes, at)
    if (step === 0) return false
    at += step
  }
  return true
}

export function encodeUtf8(text: string): Uint8Array {
  const out = new ByteWriter(utf8Length(text))
  out.utf8(text)
  return out.slice()
}

const unitsAtOnce = 4096

/** The text of the bytes. What is not UTF-8 becomes U+FFFD, one for each maximal part, as the Encoding Standard's decoder has it; a BOM stays. */
export function decodeUtf8(bytes: Uint8Array, start = 0, end = bytes.length): string {
  const units = new Uint16Array(Math.min(end - start, unitsAtOnce) + 1)
  let text = ''
  let count = 0
  let at = start
  const source = end === bytes.length ? bytes : bytes.subarray(0, end)
  while (at < end) {
    const byte = source[at] ?? 0
    if (byte < 0x80) {
      units[count++] = byte
      at++
    } else {
      const step = utf8SequenceLength(source, at)
      const point = step === 0 ? 0xfffd : pointAt(source, at, step)
      at += step === 0 ? brokenLength(source, at) : step
      if (point > 0xffff) {
        units[count++] = 0xd7c0 + (point >> 10)
        units[count++] = 0xdc00 + (point & 0x3ff)
      } else units[count++] = point
    }
    if (count >= unitsAtOnce) {
      text += textOf(units, count)
      count = 0
    }
  }
  return count === 0 ? text : text + textOf(units, count)
}

function textOf(units: Uint16Array, count: number): string {
  return String.fromCharCode.apply(null, units.subarray(0, count) as unknown as number[])
}

function pointAt(bytes: Uint8Array, at: number, length: number): number {
  const lead = bytes[at] ?? 0
  const second = (bytes[at + 1] ?? 0) & 0x3f
  if (length === 2) return ((lead & 0x1f) << 6) | second
  const third = (bytes[at + 2] ?? 0) & 0x3f
  if (length === 3) return ((lead & 0x0f) << 12) | (second << 6) | third
  return ((lead & 0x07) << 18) | (second << 12) | (third << 6) | ((bytes[at + 3] ?? 0) & 0x3f)
}

/** How many bytes of a broken sequence are one U+FFFD: the longest begin of a valid one. */
function brokenLength(bytes: Uint8Array, at: number): number {
  const lead = bytes[at] ?? 0
  if (lead < 0xe0 || lead > 0xf4) return 1
  const second = bytes[at + 1] ?? 0
  const low = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80
  const high = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf
  if (at + 1 >= bytes.length || second < low || second > high) return 1
  return lead >= 0xf0 && isTail(bytes, at + 2) ? 3 : 2
}
