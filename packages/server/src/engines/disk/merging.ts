import { type Bounds, gone } from './bounds.ts'
import { type Block, newBlock } from './crc.ts'
import { damaged } from './damage.ts'
import type { Files, OpenFile } from './files.ts'
import { padded, recordHeadBytes, recordIsWhole, recordLength } from './format.ts'
import { type SegmentRow, segmentName } from './manifest.ts'
import { readTrailer, type Row, rowBytes, RowReader, segmentBegin, type Trailer } from './segment.ts'
import { SegmentWriter, type WrittenSegment } from './segment-writer.ts'
import { newestKeyed } from './sealing.ts'

const windowBytes = 1024 * 1024
const windowRows = 4096

/** Reads a file forward through a window. */
export class Forward {
  readonly #file: OpenFile
  readonly #end: number
  #block: Block
  #from = 0
  #length = 0

  constructor(file: OpenFile, end: number) {
    this.#file = file
    this.#end = end
    this.#block = newBlock(Math.min(windowBytes, end))
  }

  /** The block and the place in it of a whole record. */
  record(place: number): { readonly block: Block; readonly at: number } {
    if (!this.#has(place, recordHeadBytes)) this.#fill(place, this.#block.bytes.length)
    const length = this.#has(place, recordHeadBytes) ? recordLength(this.#block, place - this.#from) : 0
    if (length <= this.#end - place && !this.#has(place, length)) this.#fill(place, Math.max(this.#block.bytes.length, padded(length)))
    const at = place - this.#from
    if (!recordIsWhole(this.#block, at, this.#length)) throw damaged(this.#file.name, place, 'a record can not be read')
    return { block: this.#block, at }
  }

  #has(place: number, length: number): boolean {
    return place >= this.#from && place + length <= this.#from + this.#length
  }

  #fill(place: number, length: number): void {
    if (length > this.#block.bytes.length) this.#block = newBlock(length)
    this.#from = place
    this.#length = this.#file.read(this.#block.bytes.subarray(0, Math.min(length, this.#end - place)), place)
  }
}

/** The rows of a segment in order, a window at a time. */
export class RowCursor {
  readonly #file: OpenFile
  readonly #trailer: Trailer
  readonly #block: Block
  readonly #reader: RowReader
  #from = 0
  #length = 0
  #next = 0
  row: Row | undefined

  constructor(file: OpenFile, trailer: Trailer) {
    this.#file = file
    this.#trailer = trailer
    this.#block = newBlock(rowBytes * Math.min(windowRows, trailer.rows))
    this.#reader = new RowReader(this.#block)
    this.advance()
  }

  advance(): void {
    if (this.#next >= this.#trailer.rows) {
      this.row = undefined
      return
    }
    if (this.#next >= this.#from + this.#length) {
      this.#from = this.#next
      this.#length = Math.min(windowRows, this.#trailer.rows - this.#from)
      this.#file.read(this.#block.bytes.subarray(0, this.#length * rowBytes), this.#trailer.keyedEnd + this.#from * rowBytes)
    }
    this.row = this.#reader.read(this.#next - this.#from)
    this.#next++
  }
}

interface Source {
  readonly segment: SegmentRow
  readonly file: OpenFile
  readonly trailer: Trailer
  readonly rows: RowCursor
  readonly forward: Forward
}

export interface MergeJob {
  /** Neighbours, oldest first; one alone is compacted. */
  readonly segments: readonly SegmentRow[]
  readonly number: number
  readonly now: number
  /** Is there an older segment than these? */
  readonly older: boolean
}

/** Joins neighbours into one segment, without what is not kept. Yields after each MiB, so that a seal need not wait. */
export function* mergeSegments(files: Files, job: MergeJob, bounds: Bounds): Generator<void, WrittenSegment> {
  const sources = job.segments.map((segment) => openSource(files, segment))
  const expected = job.segments.reduce((sum, { length }) => sum + length, 0)
  const writer = new SegmentWriter(files, job.number, bounds, expected)
  let done = false
  try {
    yield* mergeRuns(writer, sources)
    const runsEnd = writer.place
    mergeKeyed(writer, sources, job)
    const written = writer.finish(job.segments[0]!.firstSeq, job.segments.at(-1)!.lastSeq, runsEnd)
    done = true
    return written
  } finally {
    for (const { file } of sources) file.close()
    if (!done) writer.abandon()
  }
}

function openSource(files: Files, segment: SegmentRow): Source {
  const file = files.open(segmentName(segment.number))
  const { trailer } = readTrailer(file, segment)
  return { segment, file, trailer, rows: new RowCursor(file, trailer), forward: new Forward(file, trailer.keyedEnd) }
}

function* mergeRuns(writer: SegmentWriter, sources: readonly Source[]): Generator<void, void> {
  for (let steps = 0; ;) {
    let id = Infinity
    for (const { rows } of sources) if (rows.row !== undefined && rows.row.id < id) id = rows.row.id
    if (id === Infinity) return
    writer.beginRun(id)
    for (const { rows, forward } of sources) {
      const { row } = rows
      if (row?.id !== id) continue
      writer.know(row)
      const end = row.place + row.length
      for (let place = row.place; place < end;) {
        const { block, at } = forward.record(place)
        writer.publication(block, at)
        place += padded(recordLength(block, at))
        if (writer.steps > steps) {
          steps = writer.steps
          yield
        }
      }
      rows.advance()
    }
    writer.endRun()
  }
}

function mergeKeyed(writer: SegmentWriter, sources: readonly Source[], { now, older }: MergeJob): void {
  const total = sources.reduce((sum, { trailer }) => sum + trailer.keyedEnd - trailer.runsEnd, 0)
  const block = newBlock(total)
  const places: number[] = []
  let end = 0
  for (const { file, trailer } of sources) {
    const length = trailer.keyedEnd - trailer.runsEnd
    file.read(block.bytes.subarray(end, end + length), trailer.runsEnd)
    for (let at = end; at < end + length; at += padded(recordLength(block, at))) {
      if (!recordIsWhole(block, at, end + length))
        throw damaged(file.name, trailer.runsEnd + at - end, 'a record of keyed state can not be read')
      places.push(at)
    }
    end += length
  }
  for (const at of newestKeyed(block, places, now, older)) writer.keyed(block, at)
}

/** Bytes of a segment's records that are still kept, by its rows: exact for counts and deletions, by the run for age and bytes. Keyed state counts as kept. */
export function liveBytes(files: Files, segment: SegmentRow, bounds: Bounds): number {
  const file = files.open(segmentName(segment.number))
  try {
    const { trailer } = readTrailer(file, segment)
    let live = trailer.keyedEnd - trailer.runsEnd
    for (const cursor = new RowCursor(file, trailer); cursor.row !== undefined; cursor.advance()) live += liveOf(cursor.row, bounds)
    return live
  } finally {
    file.close()
  }
}

function liveOf(row: Row, bounds: Bounds): number {
  if (row.count === 0) return 0
  const last = row.firstOffset + row.count - 1
  if (bounds.isGone(row.id, last, row.lastSeq, row.lastTime, row.totalBytes) !== gone.no) return 0
  // How many of its first records are gone by count: by halves, for it is one step down.
  let low = 0
  let high = row.count - 1
  while (low < high) {
    const middle = (low + high) >>> 1
    if (bounds.isGone(row.id, row.firstOffset + middle, row.lastSeq, row.lastTime, row.totalBytes) === gone.no) high = middle
    else low = middle + 1
  }
  return (row.length * (row.count - low)) / row.count
}

/** What a segment without records takes: it only remembers facts. */
export const isBare = (segment: SegmentRow): boolean => segment.length <= segmentBegin + segment.rows * rowBytes + 4096
