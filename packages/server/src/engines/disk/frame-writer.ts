import { Buffer } from 'node:buffer'
import type { Message } from '@fanfare/wire'
import { type Block, newBlock } from './crc.ts'
import { frameHeadBytes, kinds, padded, recordHeadBytes, sealRecord } from './format.ts'

/** Where the things of an answer stand, for a repeat of its key. */
export interface PlacedRow {
  readonly channel: number
  readonly start: number
  readonly offset: number
  readonly seq: number
  readonly time: number
}

export const placedRowBytes = 32
export const formats = ['json', 'text', 'bytes'] as const
export const publicationFlags = { format: 3, type: 4, event: 8, id: 16 } as const
/** Flag of a state record that removes. */
export const removedFlag = 1

/** Writes records one after another into a block, behind the room for a frame's head. */
export class FrameWriter {
  block: Block
  #text8: Buffer
  /** Where the next record begins; the frame's length at the end. */
  at = frameHeadBytes
  records = 0

  constructor(block: Block) {
    this.block = block
    this.#text8 = Buffer.from(block.bytes.buffer)
  }

  reset(block: Block): void {
    if (block !== this.block) this.#text8 = Buffer.from(block.bytes.buffer)
    this.block = block
    this.at = frameHeadBytes
    this.records = 0
  }

  /** Returns where the record begins. */
  publication(channel: number, offset: number, seq: number, time: number, bytes: number, message: Message): number {
    const target = this.block.bytes
    let at = this.at + recordHeadBytes
    let flags: number = formats.indexOf(message.format)
    if (message.type !== undefined) {
      flags |= publicationFlags.type
      at = this.#text(at, message.type)
    }
    if (message.event !== undefined) {
      flags |= publicationFlags.event
      at = this.#text(at, message.event)
    }
    if (message.id !== undefined) {
      flags |= publicationFlags.id
      at = this.#text(at, message.id)
    }
    const extras = at - this.at - recordHeadBytes
    target.set(message.data, at)
    return this.#seal(at + message.data.length, { channel, kind: kinds.publication, flags, extras, offset, seq, time, bytes })
  }

  /** `trimmed` is what readers may have been told; deleted publications can't be asked any more. */
  deletion(
    channel: number,
    offset: number,
    seq: number,
    time: number,
    bytes: number,
    trimmed: { readonly offset: number; readonly seq: number },
  ): number {
    const at = this.at + recordHeadBytes
    const view = this.#view()
    view.setFloat64(at, trimmed.offset, true)
    view.setFloat64(at + 8, trimmed.seq, true)
    return this.#seal(at + 16, { channel, kind: kinds.deletion, flags: 0, extras: 0, offset, seq, time, bytes })
  }

  /** The channel's number means this name from `since` on; other channels had been forgotten through `forgotten`. */
  name(channel: number, name: string, since: number, time: number, forgotten: number): number {
    const at = this.at + recordHeadBytes
    return this.#seal(at + this.#utf8(at, name), {
      channel,
      kind: kinds.name,
      flags: 0,
      extras: 0,
      offset: forgotten,
      seq: since,
      time,
      bytes: 0,
    })
  }

  /** The channel's number is free again; what it meant stood at places up to `through`. */
  forgotten(channel: number, through: number): number {
    return this.#seal(this.at + recordHeadBytes, {
      channel,
      kind: kinds.forgotten,
      flags: 0,
      extras: 0,
      offset: 0,
      seq: through,
      time: 0,
      bytes: 0,
    })
  }

  once(key: string, print: string, expires: number, seq: number, placed: readonly PlacedRow[]): number {
    let at = this.#text(this.#text(this.at + recordHeadBytes, key), print)
    const view = this.#view()
    view.setUint32(at, placed.length, true)
    at += 4
    for (const row of placed) {
      view.setUint32(at, row.channel, true)
      view.setUint32(at + 4, row.start, true)
      view.setFloat64(at + 8, row.offset, true)
      view.setFloat64(at + 16, row.seq, true)
      view.setFloat64(at + 24, row.time, true)
      at += placedRowBytes
    }
    return this.#seal(at, { channel: 0, kind: kinds.once, flags: 0, extras: 0, offset: 0, seq, time: expires, bytes: 0 })
  }

  state(key: string, value: Uint8Array | null, expires: number, seq: number): number {
    const at = this.#text(this.at + recordHeadBytes, key)
    if (value !== null) this.block.bytes.set(value, at)
    const flags = value === null ? removedFlag : 0
    return this.#seal(at + (value?.length ?? 0), {
      channel: 0,
      kind: kinds.state,
      flags,
      extras: 0,
      offset: 0,
      seq,
      time: expires,
      bytes: 0,
    })
  }

  /** A record that is right already, from another file. */
  copy(from: Block, place: number, length: number): number {
    const at = this.at
    this.block.bytes.set(from.bytes.subarray(place, place + length), at)
    this.at += padded(length)
    this.records++
    return at
  }

  #seal(end: number, fields: Parameters<typeof sealRecord>[3]): number {
    const at = this.at
    sealRecord(this.block, at, end - at, fields)
    this.at = padded(end)
    this.records++
    return at
  }

  /** A text with its length before it. */
  #text(at: number, text: string): number {
    const length = this.#utf8(at + 2, text)
    this.block.bytes[at] = length & 0xff
    this.block.bytes[at + 1] = length >> 8
    return at + 2 + length
  }

  #utf8(at: number, text: string): number {
    return this.#text8.write(text, at)
  }

  #view(): DataView {
    return new DataView(this.block.bytes.buffer)
  }
}

/** Most bytes that these records take, for a look at the room before they are written. */
export function publicationBound(message: Message): number {
  const { type, event, id } = message
  const texts =
    (type === undefined ? 0 : 2 + 3 * type.length) +
    (event === undefined ? 0 : 2 + 3 * event.length) +
    (id === undefined ? 0 : 2 + 3 * id.length)
  return recordHeadBytes + texts + message.data.length + 3
}

export const deletionBound = recordHeadBytes + 16
export const forgottenBound = recordHeadBytes
export const nameBound = recordHeadBytes + 256
export const onceBound = (once: { readonly key: string; readonly print: string }, placed: number): number =>
  recordHeadBytes + 3 * (once.key.length + once.print.length) + 11 + placed * placedRowBytes
export const stateBound = (key: string, value: Uint8Array | null): number => recordHeadBytes + 3 * key.length + 5 + (value?.length ?? 0)

/** A block for records outside of a frame, such as those of the names file. */
export const scratchWriter = (size: number): FrameWriter => new FrameWriter(newBlock(size))
