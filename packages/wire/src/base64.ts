import type { ByteWriter } from './byte-writer.ts'

const codes = Uint8Array.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/', (c) => c.charCodeAt(0))
const pad = 0x3d
const none = 64

/** The six bits of a character's code, or `none`. */
const values = new Uint8Array(128).fill(none)
codes.forEach((code, value) => (values[code] = value))

/** Writes bytes as base64 with padding (RFC 4648, section 4). */
export function writeBase64(out: ByteWriter, bytes: Uint8Array): void {
  const quads = out.room(Math.ceil(bytes.length / 3) * 4)
  let at = 0
  for (let i = 0; i < bytes.length; i += 3) {
    const word = ((bytes[i] ?? 0) << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0)
    quads[at++] = codes[word >> 18] ?? 0
    quads[at++] = codes[(word >> 12) & 63] ?? 0
    quads[at++] = codes[(word >> 6) & 63] ?? 0
    quads[at++] = codes[word & 63] ?? 0
  }
  const over = bytes.length % 3
  if (over > 0) quads[at - 1] = pad
  if (over === 1) quads[at - 2] = pad
}

/** The bytes of standard base64 with padding, or undefined where it is not that, its last bits included. */
export function readBase64(text: string): Uint8Array | undefined {
  if (text.length % 4 !== 0) return undefined
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0
  const digits = text.length - padding
  const bytes = new Uint8Array((text.length / 4) * 3 - padding)
  let word = 0
  let at = 0
  for (let i = 0; i < digits; i++) {
    const code = text.charCodeAt(i)
    const value = code < 128 ? (values[code] ?? none) : none
    if (value === none) return undefined
    word = (word << 6) | value
    if ((i & 3) !== 3) continue
    bytes[at++] = (word >> 16) & 0xff
    bytes[at++] = (word >> 8) & 0xff
    bytes[at++] = word & 0xff
    word = 0
  }
  if (padding === 0) return bytes
  // 12 or 18 bits are left, of which the last 4 or 2 carry nothing and are zero.
  const spare = padding === 2 ? 4 : 2
  if ((word & ((1 << spare) - 1)) !== 0) return undefined
  word >>= spare
  if (padding === 1) bytes[at++] = word >> 8
  bytes[at] = word & 0xff
  return bytes
}
