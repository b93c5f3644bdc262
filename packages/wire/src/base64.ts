import type { ByteWriter } from './byte-writer.ts'

const codes = Uint8Array.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/', (c) => c.charCodeAt(0))
const pad = 0x3d

/** Writes bytes as base64 with padding (RFC 4648, section 4). */
export function writeBase64(out: ByteWriter, bytes: Uint8Array): void {
  const whole = bytes.length - (bytes.length % 3)
  const quad = new Uint8Array(Math.ceil(bytes.length / 3) * 4)
  let at = 0
  for (let i = 0; i < bytes.length; i += 3) {
    const word = ((bytes[i] ?? 0) << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0)
    quad[at++] = codes[word >> 18] ?? 0
    quad[at++] = codes[(word >> 12) & 63] ?? 0
    quad[at++] = codes[(word >> 6) & 63] ?? 0
    quad[at++] = codes[word & 63] ?? 0
  }
  if (whole < bytes.length) {
    quad[at - 1] = pad
    if (bytes.length - whole === 1) quad[at - 2] = pad
  }
  out.raw(quad)
}

const canonical = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/** The bytes of standard base64 with padding, or undefined where it is not that, its last bits included. */
export function readBase64(text: string): Uint8Array | undefined {
  if (text.length % 4 !== 0 || !canonical.test(text)) return undefined
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0
  const bytes = new Uint8Array((text.length / 4) * 3 - padding)
  let word = 0
  let at = 0
  for (let i = 0; i < text.length; i++) {
    word = (word << 6) | valueOf(text.charCodeAt(i))
    if ((i & 3) !== 3) continue
    for (let shift = 16; shift >= 0 && at < bytes.length; shift -= 8) bytes[at++] = (word >> shift) & 0xff
    if (i === text.length - 1 && (word & ((1 << (8 * padding)) - 1)) !== 0) return undefined
    word = 0
  }
  return bytes
}

function valueOf(code: number): number {
  if (code >= 0x61) return code - 0x61 + 26
  if (code >= 0x41) return code - 0x41
  if (code >= 0x30 && code <= 0x39) return code - 0x30 + 52
  if (code === 0x2b) return 62
  return code === 0x2f ? 63 : 0
}
