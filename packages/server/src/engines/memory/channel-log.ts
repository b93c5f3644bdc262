import type { Keep, Publication } from '@fanfare/wire'
import type { Facts, Page } from '../engine.ts'

/** Where the engine cuts a page; one publication always passes. */
const pagePublications = 128
const pageBytes = 256 * 1024

/** What a channel without publications holds: shared, so that an idle channel stays small. Never written to. */
const none: Publication[] = []

/** Stands where a publication was trimmed, so that its bytes are free before the array moves. */
const gone: Publication = { channel: '', offset: 0, seq: 0, time: 0, data: new Uint8Array(0), format: 'bytes' }

/** The log of one channel: its kept publications in order, and the facts that outlive them. */
export class ChannelLog {
  readonly name: string
  readonly #keep: Keep
  /** Kept ones begin at `#first`; what lies before it is given back in one go, so that trimming costs no move of the rest. */
  #publications: Publication[] = none
  #first = 0
  #bytes = 0
  #lastSeq = 0
  #lastOffset = 0
  #trimmedSeq: number
  #trimmedOffset: number | null
  #deletedAt = 0
  #deletedTime = 0
  /** Since when nothing is kept. */
  #emptySince: number

  /** `forgottenThrough`: the channel may have been known before, and all of that lies up to this place. */
  constructor(name: string, keep: Keep, forgottenThrough: number, now: number) {
    this.name = name
    this.#keep = keep
    this.#trimmedSeq = forgottenThrough
    this.#trimmedOffset = forgottenThrough === 0 ? 0 : null
    this.#emptySince = now
  }

  get count(): number {
    return this.#publications.length - this.#first
  }

  get bytes(): number {
    return this.#bytes
  }

  get nextOffset(): number {
    return this.#lastOffset + 1
  }

  get deletedAt(): number {
    return this.#deletedAt
  }

  /** When the newest deletion was committed. */
  get deletedTime(): number {
    return this.#deletedTime
  }

  /** Place of the newest publication or deletion. */
  get lastPlace(): number {
    return Math.max(this.#lastSeq, this.#deletedAt)
  }

  get facts(): Facts {
    return {
      trimmed: { seq: this.#trimmedSeq, offset: this.#trimmedOffset },
      deletedAt: this.#deletedAt,
      lastSeq: this.#lastSeq,
      lastOffset: this.#lastOffset,
      count: this.count,
      bytes: this.#bytes,
    }
  }

  append(publication: Publication): void {
    if (this.#publications === none) this.#publications = []
    this.#publications.push(publication)
    this.#bytes += publication.data.length
    this.#lastSeq = publication.seq
    this.#lastOffset = publication.offset
  }

  /** Deletes what is kept; offsets go on. */
  clear(seq: number, now: number): void {
    this.#deletedAt = seq
    this.#deletedTime = now
    this.#publications = none
    this.#first = 0
    this.#bytes = 0
    this.#emptySince = now
  }

  /** Lets go of what the rule no longer keeps. */
  trim(now: number, byAge: boolean): void {
    while (this.#first < this.#publications.length) {
      const oldest = this.#publications[this.#first] as Publication
      if (!this.#isOver(oldest, now, byAge)) break
      this.#bytes -= oldest.data.length
      this.#trimmedSeq = oldest.seq
      this.#trimmedOffset = oldest.offset
      this.#publications[this.#first++] = gone
      if (this.#first === this.#publications.length) this.#emptySince = now
    }
    if (this.#first > this.#publications.length / 2) this.#compact()
  }

  isForgettable(now: number, forgetMs: number): boolean {
    return this.count === 0 && now - this.#emptySince >= forgetMs
  }

  /** Kept publications in (after, through], as many as a page takes. */
  page(after: number, through: number): Page {
    const begin = this.#after(after)
    const end = this.#after(through)
    let cut = begin
    for (let bytes = 0; cut < end && cut - begin < pagePublications; cut++) {
      bytes += this.#publications[cut]?.data.length ?? 0
      if (bytes > pageBytes && cut > begin) break
    }
    const reached = cut < end ? (this.#publications[cut - 1]?.seq ?? through) : through
    return { channel: this.name, from: after, through: reached, publications: this.#publications.slice(begin, cut), facts: this.facts }
  }

  /** All kept publications after the place. */
  since(after: number): readonly Publication[] {
    return this.#publications.slice(this.#after(after))
  }

  /** The place just before the newest `count` kept publications up to `through`; with `count` 0 that of the newest entry up to it. */
  newest(count: number, through: number): number {
    const end = this.#after(through)
    const begin = Math.max(this.#first, end - count)
    if (begin < end) return (this.#publications[begin]?.seq ?? 1) - 1
    // Dropped beyond the asking feed: it begins where the feed stands, and the facts tell it of the gap.
    if (Math.max(this.#trimmedSeq, this.#deletedAt) > through) return through
    const kept = end > this.#first ? (this.#publications[end - 1]?.seq ?? 0) : 0
    return Math.max(kept, this.#deletedAt, this.#trimmedSeq, this.#lastSeq <= through ? this.#lastSeq : 0)
  }

  #isOver(oldest: Publication, now: number, byAge: boolean): boolean {
    const { publications, ageMs, bytes } = this.#keep
    if (publications !== null && this.count > publications) return true
    if (bytes !== null && this.#bytes > bytes) return true
    return byAge && ageMs !== null && now - oldest.time >= ageMs
  }

  /** Index of the first kept publication with a seq above the place. */
  #after(place: number): number {
    let low = this.#first
    let high = this.#publications.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#publications[middle]?.seq ?? 0) <= place) low = middle + 1
      else high = middle
    }
    return low
  }

  #compact(): void {
    this.#publications = this.count === 0 ? none : this.#publications.slice(this.#first)
    this.#first = 0
  }
}
