import { journalBegin, reserveOf } from './journal.ts'
import type { JournalRow } from './manifest.ts'

export interface JournalSpaceOptions {
  readonly current: { readonly row: JournalRow; readonly place: number }
  readonly spares: readonly JournalRow[]
  /** A journal comes into use after all entries up to `before`. */
  readonly onJournal: (row: JournalRow, before: number) => void
  /** Wants one more journal, of at least so many bytes; answered by `add` or `refused`. */
  readonly wantJournal: (bytes: number) => void
}

/** Where frames go: the journal in use, those that are ready behind it, and when one more is wanted. */
export class JournalSpace {
  readonly #options: JournalSpaceOptions
  readonly #spares: JournalRow[]
  #row: JournalRow
  #place: number
  #wanted = false

  constructor(options: JournalSpaceOptions) {
    this.#options = options
    this.#spares = [...options.spares]
    this.#row = options.current.row
    this.#place = options.current.place
  }

  /** The journal in use. */
  get row(): JournalRow {
    return this.#row
  }

  /** Where the next frame begins in it. */
  get place(): number {
    return this.#place
  }

  /** A frame that began at `place` ends here. */
  goOn(place: number): void {
    this.#place = place
  }

  /** Where a frame has to end. The end of the last journal is reserved for deletions: they are what makes room in a full store. */
  endFor(deletes: boolean): number {
    const { size } = this.#row
    return deletes || this.#spares.length > 0 ? size : size - reserveOf(size)
  }

  /** Is there room for a frame of so many bytes, in this journal or in the next one, which comes into use by it? Entries up to `before` stand in those before. */
  hasRoom(length: number, deletes: boolean, before: number): boolean {
    // What begins a journal may need all of it.
    return this.#place + length <= this.endFor(deletes || this.#place === journalBegin) || this.#next(length, before)
  }

  add(row: JournalRow): void {
    this.#wanted = false
    this.#spares.push(row)
  }

  /** There is none; the next one who needs it asks again. */
  refused(): void {
    this.#wanted = false
  }

  /** Asks for the next journal while there is time to make it. */
  lookAhead(): void {
    if (this.#spares.length === 0 && this.#place * 2 > this.#row.size) this.#want(0)
  }

  #next(length: number, before: number): boolean {
    const bytes = journalBegin + length
    const fit = this.#spares.findIndex(({ size }) => size >= bytes)
    if (fit < 0) {
      this.#want(bytes)
      return false
    }
    // Those that are too small are passed over for good: journals are read in the order of the manifest.
    for (const row of this.#spares.splice(0, fit + 1)) {
      this.#row = row
      this.#options.onJournal(row, before)
    }
    this.#place = journalBegin
    return true
  }

  #want(bytes: number): void {
    if (this.#wanted) return
    this.#wanted = true
    this.#options.wantJournal(bytes)
  }
}
