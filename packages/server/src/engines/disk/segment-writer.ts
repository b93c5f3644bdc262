import { type Block, crcOf, newBlock } from './crc.ts'
import { discard } from './discard.ts'
import { type Bounds, gone } from './bounds.ts'
import type { Files, OpenFile } from './files.ts'
import { padded, payloadLength, recordBytes, recordLength, recordOffset, recordSeq, recordTime } from './format.ts'
import { type SegmentRow, segmentName } from './manifest.ts'
import {
  encodeTrailer,
  markBytes,
  type Row,
  rowBytes,
  segmentBegin,
  segmentMagic,
  type SegmentTable,
  tableOf,
  type Trailer,
  trailerBytes,
  writeRow,
} from './segment.ts'

const bufferBytes = 1024 * 1024
const markRecords = 128
const markRunBytes = 256 * 1024
const rowsAtFirst = 256

/** A floor that moved because records were dropped: what a reader in memory has to know from now on. Five numbers a channel. */
export const floorNumbers = 5

export interface WrittenSegment {
  readonly row: SegmentRow
  readonly table: SegmentTable
  /** id, trimmed offset and seq, bytes before and time of the first that is kept. */
  readonly floors: Float64Array
}

type Facts = { -readonly [Name in keyof Row]: Row[Name] }

/** Grows by doubling. */
class Rows {
  block: Block
  length = 0
  readonly #size: number

  constructor(size: number) {
    this.#size = size
    this.block = newBlock(size * rowsAtFirst)
  }

  next(): number {
    if (this.length + this.#size > this.block.bytes.length) {
      const grown = newBlock(this.block.bytes.length * 2)
      grown.bytes.set(this.block.bytes)
      discard([this.block])
      this.block = grown
    }
    this.length += this.#size
    return this.length - this.#size
  }

  trimmed(): Block {
    const exact = newBlock(this.length)
    exact.bytes.set(this.block.bytes.subarray(0, this.length))
    discard([this.block])
    return exact
  }
}

/** Writes a segment, run by run in the order of channel numbers; what the bounds leave out is dropped. Syncs every MiB, so that no sync is long. */
export class SegmentWriter {
  readonly #file: OpenFile
  readonly #files: Files
  readonly #bounds: Bounds
  readonly #number: number
  readonly #buffer: Block
  readonly #rows = new Rows(rowBytes)
  readonly #marks = new Rows(markBytes)
  readonly #floors: number[] = []
  #filled = 0
  #written = segmentBegin
  #runs = 0
  #records = 0
  #facts: Facts | undefined
  #sinceMark = { records: 0, bytes: 0 }

  /** `expected`: most bytes of all records. */
  constructor(files: Files, number: number, bounds: Bounds, expected: number) {
    this.#buffer = newBlock(Math.min(bufferBytes, expected))
    this.#files = files
    this.#number = number
    this.#bounds = bounds
    this.#file = files.open(segmentName(number))
    const head = newBlock(segmentBegin)
    head.words.set([segmentMagic, 1])
    this.#file.write(head.bytes, 0)
  }

  /** MiB written so far: whoever writes beside others looks at it. */
  get steps(): number {
    return Math.floor(this.#written / bufferBytes)
  }

  beginRun(id: number): void {
    this.#facts = {
      id,
      place: this.#place,
      length: 0,
      count: 0,
      firstOffset: 0,
      firstBytes: 0,
      firstTime: 0,
      lastOffset: 0,
      lastSeq: 0,
      lastTime: 0,
      totalBytes: 0,
      deletedAt: 0,
      deletedOffset: 0,
      trimmedOffset: 0,
      trimmedSeq: 0,
    }
    this.#sinceMark = { records: 0, bytes: 0 }
  }

  /** A publication's record; it is copied unchanged, or dropped. */
  publication(block: Block, at: number): void {
    const facts = this.#facts!
    const offset = recordOffset(block, at)
    const seq = recordSeq(block, at)
    const time = recordTime(block, at)
    const bytes = recordBytes(block, at)
    facts.lastOffset = Math.max(facts.lastOffset, offset)
    facts.lastSeq = Math.max(facts.lastSeq, seq)
    facts.lastTime = Math.max(facts.lastTime, time)
    facts.totalBytes = Math.max(facts.totalBytes, bytes + payloadLength(block, at))
    const why = this.#bounds.isGone(facts.id, offset, seq, time, bytes)
    if (why === gone.trimmed && offset > facts.trimmedOffset) {
      facts.trimmedOffset = offset
      facts.trimmedSeq = seq
    }
    if (why === gone.no) this.#keep(facts, block, at, offset, bytes, time)
  }

  /** What is known of the channel besides: all of it only grows. */
  know(known: Partial<Row>): void {
    const facts = this.#facts!
    for (const name of [
      'lastOffset',
      'lastSeq',
      'lastTime',
      'totalBytes',
      'deletedAt',
      'deletedOffset',
      'trimmedOffset',
      'trimmedSeq',
    ] as const)
      facts[name] = Math.max(facts[name], known[name] ?? 0)
  }

  endRun(): void {
    const facts = this.#facts!
    this.#facts = undefined
    // A number that was given to another channel, or to none, since: nobody asks for this one any more.
    if (Math.max(facts.lastSeq, facts.deletedAt) < this.#bounds.since(facts.id) || this.#bounds.since(facts.id) === 0) return
    facts.length = this.#place - facts.place
    if (facts.count > 0) this.#runs++
    // The room first: it may be in a new block.
    const at = this.#rows.next()
    writeRow(this.#rows.block, at, facts)
    if (facts.trimmedOffset > 0)
      this.#floors.push(
        facts.id,
        facts.trimmedOffset,
        facts.trimmedSeq,
        facts.count > 0 ? facts.firstBytes : facts.totalBytes,
        facts.firstTime,
      )
  }

  /** A record of keyed state; after all runs. */
  keyed(block: Block, at: number): void {
    this.#copy(block, at)
  }

  /** Where the runs end: what comes next is keyed state. */
  get place(): number {
    return this.#place
  }

  /** Durable when it returns, but not named by the manifest yet. */
  finish(firstSeq: number, lastSeq: number, runsEnd: number): WrittenSegment {
    this.#flush()
    const rows = this.#rows.trimmed()
    const marks = this.#marks.trimmed()
    const trailer: Trailer = {
      firstSeq,
      lastSeq,
      rows: rows.bytes.length / rowBytes,
      runs: this.#runs,
      marks: marks.bytes.length / markBytes,
      records: this.#records,
      runsEnd,
      keyedEnd: this.#written,
    }
    const end = encodeTrailer(trailer, (crcOf(rows, 0, rows.bytes.length) ^ crcOf(marks, 0, marks.bytes.length)) >>> 0)
    for (const { bytes } of [rows, marks, end]) {
      this.#file.write(bytes, this.#written)
      this.#written += bytes.length
    }
    this.#file.sync()
    this.#file.close()
    this.#files.syncNames()
    const row = {
      number: this.#number,
      firstSeq,
      lastSeq,
      length: trailer.keyedEnd + rows.bytes.length + marks.bytes.length + trailerBytes,
      crc: end.words[1]!,
      rows: trailer.rows,
      records: this.#records,
    }
    return { row, table: tableOf(trailer, rows, marks), floors: Float64Array.from(this.#floors) }
  }

  /** It failed: nothing of it stays. */
  abandon(): void {
    this.#file.close()
    this.#files.remove(segmentName(this.#number))
  }

  get #place(): number {
    return this.#written + this.#filled
  }

  #keep(facts: Facts, block: Block, at: number, offset: number, bytes: number, time: number): void {
    if (facts.count === 0) {
      facts.firstOffset = offset
      facts.firstBytes = bytes
      facts.firstTime = time
    } else if (this.#sinceMark.records >= markRecords || this.#sinceMark.bytes >= markRunBytes) {
      const mark = this.#marks.next()
      new Float64Array(this.#marks.block.bytes.buffer, mark, 3).set([this.#place, recordSeq(block, at), offset])
      this.#sinceMark = { records: 0, bytes: 0 }
    }
    this.#sinceMark.records++
    this.#sinceMark.bytes += recordLength(block, at)
    facts.count++
    this.#records++
    this.#copy(block, at)
  }

  #copy(block: Block, at: number): void {
    const length = recordLength(block, at)
    const room = this.#buffer.bytes.length
    if (this.#filled + padded(length) > room) this.#flush()
    if (padded(length) > room) {
      const large = newBlock(length)
      large.bytes.set(block.bytes.subarray(at, at + length))
      this.#file.write(large.bytes, this.#written)
      this.#written += large.bytes.length
      return
    }
    this.#buffer.bytes.set(block.bytes.subarray(at, at + length), this.#filled)
    this.#filled += padded(length)
  }

  #flush(): void {
    if (this.#filled === 0) return
    this.#file.write(this.#buffer.bytes.subarray(0, this.#filled), this.#written)
    this.#file.sync()
    this.#written += this.#filled
    this.#filled = 0
  }
}
