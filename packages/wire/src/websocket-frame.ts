import type { ByteWriter } from './byte-writer.ts'
import { utf8Length } from './byte-writer.ts'

/** Opcodes of RFC 6455, section 5.2. */
export const opcodes = { continuation: 0x0, text: 0x1, binary: 0x2, close: 0x8, ping: 0x9, pong: 0xa } as const
export type Opcode = (typeof opcodes)[keyof typeof opcodes]

export interface FrameOptions {
  /** The payload is compressed (RFC 7692, section 6). */
  readonly rsv1?: boolean
  /** False where fragments follow. */
  readonly final?: boolean
}

/** Most bytes of a control frame's payload. */
export const controlFrameBytes = 125

/** Writes the header of a server's frame: not masked, length in as few bytes as it takes. */
export function writeFrameHeader(out: ByteWriter, opcode: Opcode, length: number, options: FrameOptions = {}): void {
  const control = opcode >= opcodes.close
  if (control && (length > controlFrameBytes || options.rsv1 === true || options.final === false)) {
    throw new RangeError('a control frame is final, not compressed, and has at most 125 bytes')
  }
  out.byte((options.final === false ? 0 : 0x80) | (options.rsv1 === true ? 0x40 : 0) | opcode)
  if (length < 126) return out.byte(length)
  if (length < 0x1_0000) {
    out.byte(126)
  } else {
    out.byte(127)
    writeUint32(out, Math.floor(length / 0x1_0000_0000))
    writeUint16(out, (length >>> 16) & 0xffff)
  }
  writeUint16(out, length & 0xffff)
}

/** Bytes of the header for a payload of that length. */
export function frameHeaderLength(length: number): number {
  return length < 126 ? 2 : length < 0x1_0000 ? 4 : 10
}

export function writeFrame(out: ByteWriter, opcode: Opcode, payload: Uint8Array, options?: FrameOptions): void {
  writeFrameHeader(out, opcode, payload.length, options)
  out.raw(payload)
}

/** A text frame of a string. */
export function writeTextFrame(out: ByteWriter, text: string): void {
  writeFrameHeader(out, opcodes.text, utf8Length(text))
  out.utf8(text)
}

export function writeBinaryFrame(out: ByteWriter, payload: Uint8Array): void {
  writeFrame(out, opcodes.binary, payload)
}

export function writePingFrame(out: ByteWriter, payload?: Uint8Array): void {
  writeFrame(out, opcodes.ping, payload ?? new Uint8Array())
}

/** A close frame; a reason longer than 123 bytes is cut at a character. */
export function writeCloseFrame(out: ByteWriter, code: number, reason = ''): void {
  const kept = cutToBytes(reason, controlFrameBytes - 2)
  writeFrameHeader(out, opcodes.close, 2 + utf8Length(kept))
  writeUint16(out, code)
  out.utf8(kept)
}

/** The longest begin of the text that has at most `most` bytes of UTF-8; never half a character. */
export function cutToBytes(text: string, most: number): string {
  if (text.length <= most / 3) return text
  let bytes = 0
  let end = 0
  for (const character of text) {
    bytes += utf8Length(character)
    if (bytes > most) break
    end += character.length
  }
  return text.slice(0, end)
}

function writeUint16(out: ByteWriter, value: number): void {
  out.byte(value >>> 8)
  out.byte(value & 0xff)
}

function writeUint32(out: ByteWriter, value: number): void {
  writeUint16(out, value >>> 16)
  writeUint16(out, value & 0xffff)
}
