import type { Bounds } from './bounds.ts'
import type { Block } from './crc.ts'
import { damaged } from './damage.ts'
import type { Files } from './files.ts'
import {
  frameHeadBytes,
  kinds,
  padded,
  readFrame,
  recordBytes,
  recordChannel,
  recordFlags,
  recordKind,
  recordLength,
  recordOffset,
  recordSeq,
  recordTime,
  stepped,
} from './format.ts'
import { removedFlag } from './frame-writer.ts'
import { journalBegin } from './journal.ts'
import { type JournalRow, journalName } from './manifest.ts'
import { readDeletion, readKey } from './record-reader.ts'
import { SegmentWriter, type WrittenSegment } from './segment-writer.ts'

export interface SealJob {
  readonly journal: JournalRow
  readonly block: Block
  /** Where its frames end. */
  readonly end: number
  /** Seqs (before, last] are in it. */
  readonly before: number
  readonly last: number
  readonly number: number
  readonly now: number
}

export interface Sealed {
  readonly segment: WrittenSegment
  /** Lines for the names file: names, and what was forgotten. */
  readonly names: Uint8Array
  readonly forgottenThrough: number
  readonly forgotten: number
}

interface Sorted {
  /** Places of publications and deletions, by channel, in the order of the log within each. */
  readonly places: Uint32Array
  readonly names: readonly number[]
  readonly keyed: readonly number[]
}

/** Writes what is still kept of a full journal into a segment, grouped by channel. */
export function sealJournal(files: Files, job: SealJob, bounds: Bounds): Sealed {
  const { block } = job
  const sorted = sortRecords(job)
  const writer = new SegmentWriter(files, job.number, bounds, job.end)
  try {
    writeRuns(writer, block, sorted.places)
    const runsEnd = writer.place
    for (const at of newestKeyed(block, sorted.keyed, job.now, true)) writer.keyed(block, at)
    const forgotten = sorted.names.filter((at) => recordKind(block, at) === kinds.forgotten).map((at) => recordSeq(block, at))
    return {
      segment: writer.finish(job.before + 1, job.last, runsEnd),
      names: linesOf(block, sorted.names),
      forgottenThrough: forgotten.reduce((highest, seq) => Math.max(highest, seq), 0),
      forgotten: forgotten.length,
    }
  } catch (error) {
    writer.abandon()
    throw error
  }
}

function writeRuns(writer: SegmentWriter, block: Block, places: Uint32Array): void {
  let channel = -1
  for (const at of places) {
    if (recordChannel(block, at) !== channel) {
      if (channel >= 0) writer.endRun()
      channel = recordChannel(block, at)
      writer.beginRun(channel)
    }
    if (recordKind(block, at) === kinds.publication) writer.publication(block, at)
    else knowDeletion(writer, block, at)
  }
  if (channel >= 0) writer.endRun()
}

function knowDeletion(writer: SegmentWriter, block: Block, at: number): void {
  const trimmed = readDeletion(block, at)
  const offset = recordOffset(block, at)
  writer.know({
    lastOffset: offset,
    lastTime: recordTime(block, at),
    totalBytes: recordBytes(block, at),
    deletedAt: recordSeq(block, at),
    deletedOffset: offset,
    trimmedOffset: trimmed.offset,
    trimmedSeq: trimmed.seq,
  })
}

/** Two passes: how many each channel has, then each record to its place. Frames are looked at once more on the way. */
function sortRecords(job: SealJob): Sorted {
  const { block } = job
  const counts = new Map<number, number>()
  const all: number[] = []
  const names: number[] = []
  const keyed: number[] = []
  let seq = job.before
  for (let at = journalBegin; at < job.end;) {
    const frame = readFrame(block, at, job.end, job.journal)
    if (frame === undefined || frame.firstSeq !== seq + 1)
      throw damaged(journalName(job.journal.number), at, 'a frame that was synced can not be read')
    let place = at + frameHeadBytes
    for (let n = 0; n < frame.records; n++) {
      const kind = recordKind(block, place)
      if (kind === kinds.publication || kind === kinds.deletion) {
        const channel = recordChannel(block, place)
        counts.set(channel, (counts.get(channel) ?? 0) + 1)
        all.push(place)
        seq++
      } else if (kind === kinds.name || kind === kinds.forgotten) names.push(place)
      else keyed.push(place)
      place += padded(recordLength(block, place))
    }
    at = stepped(at + frame.length)
  }
  if (seq !== job.last) throw damaged(journalName(job.journal.number), job.end, `it ends at place ${seq} in place of ${job.last}`)
  return { places: byChannel(block, all, counts), names, keyed }
}

function byChannel(block: Block, all: readonly number[], counts: Map<number, number>): Uint32Array {
  const channels = Uint32Array.from(counts.keys()).sort()
  let begin = 0
  for (const channel of channels) {
    const count = counts.get(channel)!
    counts.set(channel, begin)
    begin += count
  }
  const places = new Uint32Array(all.length)
  for (const place of all) {
    const channel = recordChannel(block, place)
    const at = counts.get(channel)!
    places[at] = place
    counts.set(channel, at + 1)
  }
  return places
}

/**
 * Of each key the newest record that has not expired, in the order of the log. A removal has to stay as long as an older segment may hold the value
 * (`older`).
 */
export function newestKeyed(block: Block, places: readonly number[], now: number, older: boolean): number[] {
  const newest = new Map<string, number>()
  for (const at of places) newest.set(`${recordKind(block, at)}${readKey(block, at)}`, at)
  return [...newest.values()]
    .filter((at) => {
      const expires = recordTime(block, at)
      const removal = recordKind(block, at) === kinds.state && (recordFlags(block, at) & removedFlag) !== 0
      if (removal) return older
      // A value that expired hides the older one of its key.
      return expires === 0 || expires > now || (older && recordKind(block, at) === kinds.state)
    })
    .sort((a, b) => a - b)
}

function linesOf(block: Block, places: readonly number[]): Uint8Array {
  const lines = new Uint8Array(places.reduce((sum, at) => sum + padded(recordLength(block, at)), 0))
  let end = 0
  for (const at of places) {
    lines.set(block.bytes.subarray(at, at + recordLength(block, at)), end)
    end += padded(recordLength(block, at))
  }
  return lines
}
