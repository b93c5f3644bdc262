import type { ByteWriter } from './byte-writer.ts'

/** Ends a body in chunks (RFC 9112, section 7.1), without trailers. */
export const lastChunk = '0\r\n\r\n'

const sizeDigits = 8
const headLength = sizeDigits + 2
const hex = '0123456789abcdef'

/** A chunk of bytes whose number is known. None for no bytes: an empty chunk would end the body. */
export function writeChunk(out: ByteWriter, bytes: Uint8Array): void {
  if (bytes.length === 0) return
  out.ascii(bytes.length.toString(16))
  out.ascii('\r\n')
  out.raw(bytes)
  out.ascii('\r\n')
}

/** Makes room for the size of a chunk; what is written until `endChunk` is in it. Returns what `endChunk` wants. */
export function beginChunk(out: ByteWriter): number {
  const at = out.length
  out.ascii('00000000\r\n')
  return at
}

/** Closes the chunk: its size is written in its place, with leading zeros. Where nothing was written, the chunk is dropped. */
export function endChunk(out: ByteWriter, begun: number): void {
  const size = out.length - begun - headLength
  if (size <= 0) return out.truncate(begun)
  for (let digit = 0; digit < sizeDigits; digit++) {
    out.patch(begun + digit, hex.charCodeAt((size >>> (4 * (sizeDigits - 1 - digit))) & 15))
  }
  out.ascii('\r\n')
}
