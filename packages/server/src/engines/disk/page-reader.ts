import { blockOf, type Block, newBlock } from './crc.ts'
import type { Entries } from './entries.ts'
import type { Files, OpenFile } from './files.ts'
import { type ScanJob, scanSegment } from './scanning.ts'
import {
  kinds,
  padded,
  payloadLength,
  recordChannel,
  recordHeadBytes,
  recordIsWhole,
  recordKind,
  recordLength,
  recordOffset,
  recordSeq,
  takesSeq,
} from './format.ts'

/** A run of one channel's records in a segment, or single records of a journal. */
export type Piece =
  | { readonly kind: 'run'; readonly file: string; readonly from: number; readonly to: number }
  | { readonly kind: 'places'; readonly file: string; readonly places: Uint32Array }

/** In place of a channel: all entries of all channels, deletions too. */
export const everyChannel = 0

/** Wants the publications of a channel with a seq in (lower, through], ascending, up to `most` and `mostBytes` (but at least one). */
export interface PageJob {
  readonly channel: number
  readonly pieces: readonly Piece[]
  readonly lower: number
  readonly through: number
  readonly most: number
  readonly mostBytes: number
  /** The page ends after an offset that is a multiple of this, so that readers from different places come to share pages. */
  readonly step: number
  /** Wants the publication with this offset and no other. */
  readonly offset?: number
}

export interface PageAnswer {
  /** Whole records, one after the other. */
  readonly bytes: Uint8Array
  readonly count: number
  /** The page ends before `through`, at its last record. */
  readonly cut: boolean
  /** What could not be read. */
  readonly damage: { readonly file: string; readonly place: number } | undefined
}

const windowBytes = 64 * 1024

/** Reads records by window, so that neighbours cost one read. */
class Window {
  #block: Block = newBlock(windowBytes)
  #file: OpenFile | undefined
  #from = 0
  #length = 0

  /** The block and the place in it of a whole record, or undefined. `ahead`: how much is worth reading at once. */
  record(file: OpenFile, place: number, end: number, ahead: number): { readonly block: Block; readonly at: number } | undefined {
    if (!this.#has(file, place, recordHeadBytes)) this.#fill(file, place, Math.min(end - place, Math.max(ahead, recordHeadBytes)))
    if (!this.#has(file, place, recordHeadBytes)) return undefined
    const length = recordLength(this.#block, place - this.#from)
    if (length < recordHeadBytes || length > end - place) return undefined
    if (!this.#has(file, place, length)) this.#fill(file, place, Math.min(end - place, Math.max(ahead, length)))
    const at = place - this.#from
    return this.#has(file, place, length) && recordIsWhole(this.#block, at, this.#length) ? { block: this.#block, at } : undefined
  }

  /** A journal grows: what was read for an earlier page may not be what stands there now. */
  clear(): void {
    this.#file = undefined
  }

  #has(file: OpenFile, place: number, length: number): boolean {
    return this.#file === file && place >= this.#from && place + length <= this.#from + this.#length
  }

  #fill(file: OpenFile, place: number, length: number): void {
    if (length > this.#block.bytes.length) this.#block = newBlock(length)
    this.#file = file
    this.#from = place
    this.#length = file.read(this.#block.bytes.subarray(0, length), place)
  }
}

/** Reads pages; keeps the files open that it was asked for, until they are released. */
export class PageReader {
  readonly #files: Files
  readonly #open = new Map<string, { readonly file: OpenFile; readonly size: number }>()
  readonly #window = new Window()

  constructor(files: Files) {
    this.#files = files
  }

  read(job: PageJob): PageAnswer {
    const page = new PageBuilder(job)
    this.#window.clear()
    for (const piece of job.pieces) {
      const damage = piece.kind === 'run' ? this.#readRun(piece, page) : this.#readPlaces(piece, page)
      if (damage !== undefined) return page.answer({ file: piece.file, place: damage })
      if (page.full) break
    }
    return page.answer(undefined)
  }

  scan(job: ScanJob): Entries {
    return scanSegment(this.#files, job)
  }

  release(name: string): void {
    this.#open.get(name)?.file.close()
    this.#open.delete(name)
  }

  close(): void {
    for (const name of this.#open.keys()) this.release(name)
  }

  #readRun(piece: Extract<Piece, { kind: 'run' }>, page: PageBuilder): number | undefined {
    const { file } = this.#fileOf(piece.file)
    for (let place = piece.from; place < piece.to && !page.full;) {
      const found = this.#window.record(file, place, piece.to, windowBytes)
      if (found === undefined) return place
      page.take(found.block, found.at)
      place += padded(recordLength(found.block, found.at))
    }
    return undefined
  }

  #readPlaces(piece: Extract<Piece, { kind: 'places' }>, page: PageBuilder): number | undefined {
    const { file, size } = this.#fileOf(piece.file)
    const { places } = piece
    const span = places.length < 2 ? 0 : (places[places.length - 1]! - places[0]!) / (places.length - 1)
    // Read ahead where the records stand close together; alone in a busy journal, each is a read of its own.
    const ahead = span > 0 && span < 2048 ? windowBytes : 1024
    for (const place of places) {
      if (page.full) break
      const found = this.#window.record(file, place, size, ahead)
      if (found === undefined || !page.take(found.block, found.at)) return place
    }
    return undefined
  }

  #fileOf(name: string): { readonly file: OpenFile; readonly size: number } {
    const known = this.#open.get(name)
    if (known !== undefined) return known
    const file = this.#files.open(name)
    const opened = { file, size: file.size() }
    this.#open.set(name, opened)
    return opened
  }
}

class PageBuilder {
  readonly #job: PageJob
  #block = newBlock(16 * 1024)
  #length = 0
  #bytes = 0
  #count = 0
  #cut = false
  full = false

  constructor(job: PageJob) {
    this.#job = job
  }

  /** False where the record is not one of the channel. */
  take(from: Block, at: number): boolean {
    const { channel, lower, through, most, mostBytes, step, offset } = this.#job
    const fits =
      channel === everyChannel
        ? takesSeq(recordKind(from, at))
        : recordChannel(from, at) === channel && recordKind(from, at) === kinds.publication
    if (!fits) return false
    const seq = recordSeq(from, at)
    if (seq <= lower || (offset !== undefined && recordOffset(from, at) < offset)) return true
    if (offset !== undefined && recordOffset(from, at) > offset) {
      this.full = true
      return true
    }
    const payload = payloadLength(from, at)
    if (seq > through || (this.#count > 0 && this.#bytes + payload > mostBytes)) {
      this.full = true
      this.#cut = seq <= through
      return true
    }
    this.#append(from, at)
    this.#bytes += payload
    this.#count++
    if (this.#count >= most || (step > 0 && recordOffset(from, at) % step === 0)) {
      this.full = true
      this.#cut = true
    }
    return true
  }

  answer(damage: PageAnswer['damage']): PageAnswer {
    return { bytes: this.#block.bytes.slice(0, this.#length), count: this.#count, cut: this.#cut, damage }
  }

  #append(from: Block, at: number): void {
    const length = recordLength(from, at)
    const room = padded(length)
    if (this.#length + room > this.#block.bytes.length) {
      const grown = blockOf(new ArrayBuffer(Math.max(this.#length + room, this.#block.bytes.length * 2)))
      grown.bytes.set(this.#block.bytes.subarray(0, this.#length))
      this.#block = grown
    }
    this.#block.bytes.set(from.bytes.subarray(at, at + length), this.#length)
    this.#length += room
  }
}
