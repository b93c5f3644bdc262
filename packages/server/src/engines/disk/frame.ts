import type { Item, Placed } from '../engine.ts'
import type { FrameWriter } from './frame-writer.ts'
import type { JournalRow } from './manifest.ts'

/** One commit: what is collected, then written as one frame, then told. The lists go side by side: one row an entry, in seq order. */
export interface Frame {
  readonly number: number
  readonly writer: FrameWriter
  readonly journal: JournalRow
  readonly place: number
  readonly firstSeq: number
  lastSeq: number
  time: number
  waitingBytes: number
  readonly items: Item[]
  readonly placed: Placed[]
  readonly channels: number[]
  /** Where the record stands in the frame. */
  readonly positions: number[]
  /** Of a publication: payload bytes of its channel before it. Of a deletion: the channel's newest offset. */
  readonly before: number[]
  /** Channels that are forgotten by it. */
  readonly forgotten: number[]
  readonly answers: (() => void)[]
  readonly refusals: ((error: Error) => void)[]
}

export function newFrame(number: number, writer: FrameWriter, journal: JournalRow, place: number, seq: number): Frame {
  return {
    number,
    writer,
    journal,
    place,
    firstSeq: seq + 1,
    lastSeq: seq,
    time: 0,
    waitingBytes: 0,
    items: [],
    placed: [],
    channels: [],
    positions: [],
    before: [],
    forgotten: [],
    answers: [],
    refusals: [],
  }
}
