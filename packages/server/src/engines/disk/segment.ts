import { type Block, blockOf, crcOf, newBlock } from './crc.ts'
import { damaged, mustExist } from './damage.ts'
import { type Files, type OpenFile, withFile } from './files.ts'
import { type SegmentRow, segmentName } from './manifest.ts'

/**
 * A sealed part of the log: head, the runs (records of one channel, in order; channels by number), records of keyed state, the rows (a channel each),
 * marks inside of long runs, and a trailer. A row has what is known of its channel at the end of the segment, so that it outlives its records.
 */
export const segmentMagic = 0x53_4e_41_46
export const segmentBegin = 64
export const rowBytes = 104
export const markBytes = 24
export const trailerBytes = 64

export interface Row {
  readonly id: number
  readonly place: number
  readonly length: number
  readonly count: number
  /** Of the first record: its offset, the channel's bytes before it, its time. */
  readonly firstOffset: number
  readonly firstBytes: number
  readonly firstTime: number
  /** Of the newest publication ever; 0 where it stands in an older segment. */
  readonly lastOffset: number
  readonly lastSeq: number
  /** Of the newest entry. */
  readonly lastTime: number
  readonly totalBytes: number
  readonly deletedAt: number
  readonly deletedOffset: number
  readonly trimmedOffset: number
  readonly trimmedSeq: number
}

/** What is kept of a segment in memory to find a run: 14 bytes a run, and 20 for each mark. Shared, so that it comes from a worker without a copy. */
export interface SegmentTable {
  readonly ids: Uint32Array
  readonly places: Uint32Array
  readonly firstLow: Uint32Array
  readonly firstHigh: Uint16Array
  readonly markPlaces: Uint32Array
  readonly markSeqs: Float64Array
  readonly markOffsets: Float64Array
  /** Where the last run ends. */
  readonly end: number
}

export interface Trailer {
  readonly firstSeq: number
  readonly lastSeq: number
  readonly rows: number
  readonly runs: number
  readonly marks: number
  readonly records: number
  readonly runsEnd: number
  readonly keyedEnd: number
}

export function writeRow(block: Block, at: number, row: Row): void {
  block.words.set([row.id, row.place, row.length, row.count], at >> 2)
  const numbers = [
    row.firstOffset,
    row.firstBytes,
    row.firstTime,
    row.lastOffset,
    row.lastSeq,
    row.lastTime,
    row.totalBytes,
    row.deletedAt,
    row.deletedOffset,
    row.trimmedOffset,
    row.trimmedSeq,
  ]
  new Float64Array(block.bytes.buffer, at + 16, numbers.length).set(numbers)
}

/** Reads rows out of a block in which they stand one after the other. */
export class RowReader {
  readonly block: Block
  readonly #words: Uint32Array
  readonly #numbers: Float64Array

  constructor(block: Block) {
    this.block = block
    this.#words = block.words
    this.#numbers = new Float64Array(block.bytes.buffer, 0, block.bytes.length >> 3)
  }

  read(n: number): Row {
    const word = n * (rowBytes / 4)
    const number = n * (rowBytes / 8) + 2
    const numbers = this.#numbers
    return {
      id: this.#words[word]!,
      place: this.#words[word + 1]!,
      length: this.#words[word + 2]!,
      count: this.#words[word + 3]!,
      firstOffset: numbers[number]!,
      firstBytes: numbers[number + 1]!,
      firstTime: numbers[number + 2]!,
      lastOffset: numbers[number + 3]!,
      lastSeq: numbers[number + 4]!,
      lastTime: numbers[number + 5]!,
      totalBytes: numbers[number + 6]!,
      deletedAt: numbers[number + 7]!,
      deletedOffset: numbers[number + 8]!,
      trimmedOffset: numbers[number + 9]!,
      trimmedSeq: numbers[number + 10]!,
    }
  }
}

/** The trailer as bytes; `footerCrc` is that of rows and marks. */
export function encodeTrailer(trailer: Trailer, footerCrc: number): Block {
  const block = newBlock(trailerBytes)
  const { firstSeq, lastSeq, rows, runs, marks, records, runsEnd, keyedEnd } = trailer
  block.words.set([segmentMagic, 0, footerCrc, rows, runs, marks, runsEnd, keyedEnd])
  new Float64Array(block.bytes.buffer, 32, 3).set([firstSeq, lastSeq, records])
  block.words[1] = crcOf(block, 8, trailerBytes)
  return block
}

/** Reads and checks trailer, rows and marks. Throws where they are not what was written. */
export function readFooter(files: Files, segment: SegmentRow): { readonly trailer: Trailer; readonly rows: Block; readonly marks: Block } {
  const name = segmentName(segment.number)
  mustExist(files, name)
  return withFile(files, name, (file) => {
    const size = file.size()
    if (size < segment.length) throw damaged(name, size, `it is shorter than the ${segment.length} bytes that the manifest says`)
    const { trailer, footerCrc } = readTrailer(file, segment)
    const rows = newBlock(trailer.rows * rowBytes)
    const marks = newBlock(trailer.marks * markBytes)
    file.read(rows.bytes, trailer.keyedEnd)
    file.read(marks.bytes, trailer.keyedEnd + rows.bytes.length)
    if ((crcOf(rows, 0, rows.bytes.length) ^ crcOf(marks, 0, marks.bytes.length)) >>> 0 !== footerCrc)
      throw damaged(name, trailer.keyedEnd, 'its table of channels can not be read')
    return { trailer, rows, marks }
  })
}

export function readTrailer(file: OpenFile, segment: SegmentRow): { readonly trailer: Trailer; readonly footerCrc: number } {
  const place = segment.length - trailerBytes
  const block = newBlock(trailerBytes)
  file.read(block.bytes, place)
  const [magic, crc, footerCrc, rows, runs, marks, runsEnd, keyedEnd] = block.words
  if (magic !== segmentMagic || crc !== crcOf(block, 8, trailerBytes) || crc !== segment.crc)
    throw damaged(segmentName(segment.number), place, 'its end can not be read')
  const [firstSeq, lastSeq, records] = new Float64Array(block.bytes.buffer, 32, 3)
  return {
    footerCrc: footerCrc!,
    trailer: {
      firstSeq: firstSeq!,
      lastSeq: lastSeq!,
      rows: rows!,
      runs: runs!,
      marks: marks!,
      records: records!,
      runsEnd: runsEnd!,
      keyedEnd: keyedEnd!,
    },
  }
}

/** The table in memory, from rows and marks as they stand in the file. */
export function tableOf(trailer: Trailer, rows: Block, marks: Block): SegmentTable {
  const { runs } = trailer
  const share = (size: number) => new SharedArrayBuffer(size)
  const table: SegmentTable = {
    ids: new Uint32Array(share(runs * 4)),
    places: new Uint32Array(share(runs * 4)),
    firstLow: new Uint32Array(share(runs * 4)),
    firstHigh: new Uint16Array(share(runs * 2)),
    markPlaces: new Uint32Array(share(trailer.marks * 4)),
    markSeqs: new Float64Array(share(trailer.marks * 8)),
    markOffsets: new Float64Array(share(trailer.marks * 8)),
    end: trailer.runsEnd,
  }
  const numbers = new Float64Array(rows.bytes.buffer, 0, rows.bytes.length >> 3)
  for (let n = 0, run = 0; n < trailer.rows; n++) {
    const word = n * (rowBytes / 4)
    if (rows.words[word + 3] === 0) continue
    const first = numbers[n * (rowBytes / 8) + 2]!
    table.ids[run] = rows.words[word]!
    table.places[run] = rows.words[word + 1]!
    table.firstLow[run] = first
    table.firstHigh[run] = Math.floor(first / 0x1_0000_0000)
    run++
  }
  const places = new Float64Array(marks.bytes.buffer, 0, marks.bytes.length >> 3)
  for (let n = 0; n < trailer.marks; n++) {
    table.markPlaces[n] = places[n * 3]!
    table.markSeqs[n] = places[n * 3 + 1]!
    table.markOffsets[n] = places[n * 3 + 2]!
  }
  return table
}

export function loadSegment(
  files: Files,
  segment: SegmentRow,
): { readonly trailer: Trailer; readonly table: SegmentTable; readonly rows: RowReader } {
  const { trailer, rows, marks } = readFooter(files, segment)
  return { trailer, table: tableOf(trailer, rows, marks), rows: new RowReader(rows) }
}

/** Records of keyed state of a segment, as they stand in it. */
export function readKeyed(files: Files, segment: SegmentRow, { runsEnd, keyedEnd }: Trailer): Block {
  return withFile(files, segmentName(segment.number), (file) => {
    const block = blockOf(new ArrayBuffer(keyedEnd - runsEnd))
    file.read(block.bytes, runsEnd)
    return block
  })
}
