import { Buffer } from 'node:buffer'
import type { Publication } from '@fanfare/wire'
import type { Block } from './crc.ts'
import { payloadLength, recordExtras, recordFlags, recordHeadBytes, recordLength, recordOffset, recordSeq, recordTime } from './format.ts'
import { formats, placedRowBytes, type PlacedRow, publicationFlags, removedFlag } from './frame-writer.ts'

/** Takes records apart again. What it is given is whole: its CRC was looked at. */

/** The publication's data is a view of the block. */
export function readPublication(block: Block, at: number, channel: string): Publication {
  const flags = recordFlags(block, at)
  const end = at + recordLength(block, at)
  const data = block.bytes.subarray(at + recordHeadBytes + recordExtras(block, at), end)
  const base = {
    channel,
    offset: recordOffset(block, at),
    seq: recordSeq(block, at),
    time: recordTime(block, at),
    data,
    format: formats[(flags & publicationFlags.format) as 0 | 1 | 2],
  }
  if (flags <= publicationFlags.format) return base
  const texts = textsOf(block, at + recordHeadBytes)
  return {
    ...base,
    ...(flags & publicationFlags.type ? { type: texts() } : {}),
    ...(flags & publicationFlags.event ? { event: texts() } : {}),
    ...(flags & publicationFlags.id ? { id: texts() } : {}),
  }
}

export function readName(block: Block, at: number): string {
  return utf8(block, at + recordHeadBytes, at + recordLength(block, at))
}

export function readDeletion(block: Block, at: number): { readonly offset: number; readonly seq: number } {
  const view = viewOf(block, at)
  return payloadLength(block, at) < 16
    ? { offset: 0, seq: 0 }
    : { offset: view.getFloat64(recordHeadBytes, true), seq: view.getFloat64(recordHeadBytes + 8, true) }
}

export interface OnceRecord {
  readonly key: string
  readonly print: string
  readonly expires: number
  readonly placed: readonly PlacedRow[]
}

export function readOnce(block: Block, at: number): OnceRecord {
  const reader = textsOf(block, at + recordHeadBytes)
  const key = reader()
  const print = reader()
  const view = viewOf(block, at)
  let place = reader.at() - at
  const count = view.getUint32(place, true)
  place += 4
  const placed: PlacedRow[] = []
  for (let n = 0; n < count; n++, place += placedRowBytes) {
    placed.push({
      channel: view.getUint32(place, true),
      start: view.getUint32(place + 4, true),
      offset: view.getFloat64(place + 8, true),
      seq: view.getFloat64(place + 16, true),
      time: view.getFloat64(place + 24, true),
    })
  }
  return { key, print, expires: recordTime(block, at), placed }
}

export function readState(block: Block, at: number): { readonly key: string; readonly value: Uint8Array | null; readonly expires: number } {
  const reader = textsOf(block, at + recordHeadBytes)
  const key = reader()
  const value = recordFlags(block, at) & removedFlag ? null : block.bytes.slice(reader.at(), at + recordLength(block, at))
  return { key, value, expires: recordTime(block, at) }
}

/** The key alone, for who only asks which record of a key is the newest. */
export const readKey = (block: Block, at: number): string => textsOf(block, at + recordHeadBytes)()

function textsOf(block: Block, from: number): { (): string; at(): number } {
  let at = from
  const next = (): string => {
    const length = block.bytes[at]! | (block.bytes[at + 1]! << 8)
    at += 2 + length
    return utf8(block, at - length, at)
  }
  next.at = () => at
  return next
}

function utf8(block: Block, from: number, to: number): string {
  const { buffer, byteOffset, length } = block.bytes
  return Buffer.from(buffer, byteOffset, length).toString('utf8', from, to)
}

function viewOf(block: Block, at: number): DataView {
  return new DataView(block.bytes.buffer, block.bytes.byteOffset + at, recordLength(block, at))
}
