import { constants, deflateRawSync } from 'node:zlib'
import { opcodes, writeFrame } from '@fanfare/wire'
import type { ByteWriter, Opcode } from '@fanfare/wire'
import type { Framing } from '../protocols/protocol.ts'

/** A message is one frame of RFC 6455, not masked. */
export const framing: Framing = {
  key: 'websocket',
  text: (out, payload) => writeFrame(out, opcodes.text, payload),
  binary: (out, payload) => writeFrame(out, opcodes.binary, payload),
}

/** Shorter ones would grow. */
const worthwhileBytes = 256

/** Compressed as RFC 7692 has it, each message for itself (`server_no_context_takeover`), so that one compression serves all receivers. */
export const deflatedFraming: Framing = {
  key: 'websocket/deflate',
  text: (out, payload) => writeDeflated(out, opcodes.text, payload),
  binary: (out, payload) => writeDeflated(out, opcodes.binary, payload),
}

/** The empty block that a flush leaves at the end, which section 7.2.1 takes off. */
const flushBytes = 4

function writeDeflated(out: ByteWriter, opcode: Opcode, payload: Uint8Array): void {
  if (payload.length < worthwhileBytes) return writeFrame(out, opcode, payload)
  const deflated = deflateRawSync(payload, { finishFlush: constants.Z_SYNC_FLUSH })
  writeFrame(out, opcode, deflated.subarray(0, deflated.length - flushBytes), { rsv1: true })
}
