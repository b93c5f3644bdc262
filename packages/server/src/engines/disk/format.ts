import { type Block, crcOf } from './crc.ts'

/**
 * Bytes of records and frames; docs/decisions/0005-disk-format.md has the same as tables.
 *
 * Record, 40 bytes and its body, padded to a multiple of 4:
 *    0 u32 length without padding   4 u32 CRC of the rest   8 u32 channel   12 u8 kind, u8 flags, u16 length of the extras
 *   16 u32 offset   20 u32 seq   24 u32 time   28 u32 bytes (low words)   32 u16 offset, u16 seq   36 u16 time, u16 bytes (high parts)
 * Frame, 48 bytes and its records, at multiples of 4,096:
 *    0 u32 nonce   4 u32 length without padding   8 u32 CRC of the rest   12 u32 generation   16 u32 start   20 u32 records
 *   24 u64 first seq   32 u32 generation and 36 u32 place known to be synced   40 u64 time
 */
export const recordHeadBytes = 40
export const frameHeadBytes = 48
export const frameStep = 4096

/** Numbers on disk: never change one. A kind that is not known stops the start: it was written by a newer version. */
export const kinds = { publication: 1, deletion: 2, name: 3, once: 4, state: 5, forgotten: 6 } as const

const high = 0x1_0000_0000

export interface RecordFields {
  readonly channel: number
  readonly kind: number
  readonly flags: number
  readonly extras: number
  readonly offset: number
  readonly seq: number
  readonly time: number
  /** Payload bytes of the channel before this record. */
  readonly bytes: number
}

/** Sets the head of a record whose body is in place, its CRC included. `at` is a multiple of 4. */
export function sealRecord(block: Block, at: number, length: number, fields: RecordFields): void {
  const words = block.words
  const word = at >> 2
  words[word] = length
  words[word + 2] = fields.channel
  words[word + 3] = fields.kind | (fields.flags << 8) | (fields.extras << 16)
  words[word + 4] = fields.offset
  words[word + 5] = fields.seq
  words[word + 6] = fields.time
  words[word + 7] = fields.bytes
  words[word + 8] = Math.floor(fields.offset / high) | (Math.floor(fields.seq / high) << 16)
  words[word + 9] = Math.floor(fields.time / high) | (Math.floor(fields.bytes / high) << 16)
  words[word + 1] = crcOf(block, at + 8, at + length)
}

export const padded = (length: number): number => (length + 3) & ~3
export const stepped = (place: number): number => Math.ceil(place / frameStep) * frameStep

export const recordLength = (block: Block, at: number): number => block.words[at >> 2]!
export const recordChannel = (block: Block, at: number): number => block.words[(at >> 2) + 2]!
export const recordKind = (block: Block, at: number): number => block.words[(at >> 2) + 3]! & 0xff
export const recordFlags = (block: Block, at: number): number => (block.words[(at >> 2) + 3]! >>> 8) & 0xff
export const recordExtras = (block: Block, at: number): number => block.words[(at >> 2) + 3]! >>> 16
export const recordOffset = (block: Block, at: number): number =>
  block.words[(at >> 2) + 4]! + (block.words[(at >> 2) + 8]! & 0xffff) * high
export const recordSeq = (block: Block, at: number): number => block.words[(at >> 2) + 5]! + (block.words[(at >> 2) + 8]! >>> 16) * high
export const recordTime = (block: Block, at: number): number => block.words[(at >> 2) + 6]! + (block.words[(at >> 2) + 9]! & 0xffff) * high
export const recordBytes = (block: Block, at: number): number => block.words[(at >> 2) + 7]! + (block.words[(at >> 2) + 9]! >>> 16) * high
/** Bytes of the payload. */
export const payloadLength = (block: Block, at: number): number => recordLength(block, at) - recordHeadBytes - recordExtras(block, at)
/** Has it a seq of its own? */
export const takesSeq = (kind: number): boolean => kind === kinds.publication || kind === kinds.deletion

/** Is there a whole and right record at `at`, ending by `end`? */
export function recordIsWhole(block: Block, at: number, end: number): boolean {
  if (at + recordHeadBytes > end) return false
  const length = recordLength(block, at)
  if (length < recordHeadBytes || at + length > end || recordExtras(block, at) > length - recordHeadBytes) return false
  return block.words[(at >> 2) + 1] === crcOf(block, at + 8, at + length)
}

export interface FrameHead {
  readonly nonce: number
  readonly length: number
  readonly generation: number
  readonly start: number
  readonly records: number
  readonly firstSeq: number
  readonly synced: SyncedPlace
  readonly time: number
}

/** Everything below `place` of that generation, and all generations before it, was synced. */
export interface SyncedPlace {
  readonly generation: number
  readonly place: number
}

/** Sets the head of a frame whose records are in place. */
export function sealFrame(block: Block, at: number, head: FrameHead): void {
  const words = block.words
  const word = at >> 2
  words[word] = head.nonce
  words[word + 1] = head.length
  words[word + 3] = head.generation
  words[word + 4] = head.start
  words[word + 5] = head.records
  words[word + 6] = head.firstSeq
  words[word + 7] = Math.floor(head.firstSeq / high)
  words[word + 8] = head.synced.generation
  words[word + 9] = head.synced.place
  words[word + 10] = head.time
  words[word + 11] = Math.floor(head.time / high)
  words[word + 2] = crcOf(block, at + 12, at + head.length)
}

/** The frame at `at` if its nonce, generation, length and CRC are right; `end` is the end of the journal in the block. */
export function readFrame(
  block: Block,
  at: number,
  end: number,
  journal: { readonly nonce: number; readonly generation: number },
): FrameHead | undefined {
  if (at + frameHeadBytes > end) return undefined
  const words = block.words
  const word = at >> 2
  const length = words[word + 1]!
  if (words[word] !== journal.nonce || words[word + 3] !== journal.generation) return undefined
  if (length < frameHeadBytes || at + length > end || words[word + 2] !== crcOf(block, at + 12, at + length)) return undefined
  return {
    nonce: journal.nonce,
    length,
    generation: journal.generation,
    start: words[word + 4]!,
    records: words[word + 5]!,
    firstSeq: words[word + 6]! + words[word + 7]! * high,
    synced: { generation: words[word + 8]!, place: words[word + 9]! },
    time: words[word + 10]! + words[word + 11]! * high,
  }
}

/** Is `a` above `b`? */
export function isAbove(a: SyncedPlace, b: SyncedPlace): boolean {
  return a.generation > b.generation || (a.generation === b.generation && a.place > b.place)
}
