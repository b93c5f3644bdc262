import { FanfareError, type Publication } from '@fanfare/wire'
import type { Facts, Page } from '../engine.ts'
import type { ChannelTable } from './channel-table.ts'
import { blockOf } from './crc.ts'
import { damaged } from './damage.ts'
import { padded, payloadLength, recordBytes, recordLength, recordSeq, recordTime } from './format.ts'
import { type Entries, entriesIn } from './entries.ts'
import { journalName } from './manifest.ts'
import type { PageAnswer, PageJob, Piece } from './page-reader.ts'
import { readPublication } from './record-reader.ts'
import type { ReaderAnswer, ReaderLane, ReaderQuestion } from './reader-lane.ts'
import type { SegmentList } from './segment-list.ts'
import type { UnsealedIndex } from './unsealed-index.ts'

export const pagePublications = 128
export const pageBytes = 256 * 1024

export interface ReadingOptions {
  readonly table: ChannelTable
  readonly index: UnsealedIndex
  readonly segments: SegmentList
  readonly lane: ReaderLane
  /** Time for retention. */
  readonly now: () => number
  readonly forgottenThrough: () => number
  readonly onDamage: (error: Error) => void
}

interface Head {
  readonly seq: number
  readonly bytesBefore: number
  readonly payload: number
  readonly time: number
}

/** Finds where a channel's publications stand, has them read, and knows what the rule leaves out. Nothing in here changes the log. */
export class Reading {
  readonly #options: ReadingOptions
  /** What is being read now: files are given back only after it. */
  readonly #running = new Set<Promise<unknown>>()

  constructor(options: ReadingOptions) {
    this.#options = options
  }

  async facts(channel: string): Promise<Facts> {
    const { table, forgottenThrough } = this.#options
    const id = table.names.find(channel)
    if (id < 0 || table.lastTime.get(id) === 0)
      return {
        trimmed: { seq: forgottenThrough(), offset: forgottenThrough() === 0 ? 0 : null },
        deletedAt: 0,
        lastSeq: 0,
        lastOffset: 0,
        count: 0,
        bytes: 0,
      }
    await this.applyRule(id)
    return this.#factsOf(id)
  }

  async page(channel: string, after: number, through: number): Promise<Page> {
    const { table } = this.#options
    const facts = await this.facts(channel)
    const id = table.names.find(channel)
    const lower = Math.max(after, facts.trimmed.seq, facts.deletedAt)
    if (id < 0 || lower >= through || facts.lastSeq <= lower)
      return { channel, from: after, through: Math.max(after, through), publications: [], facts }
    const answer = await this.#read({
      channel: id,
      pieces: this.#pieces(id, lower, through, pagePublications),
      lower,
      through,
      most: pagePublications,
      mostBytes: pageBytes,
      step: pagePublications,
    })
    const publications = publicationsOf(answer, channel)
    return { channel, from: after, through: answer.cut ? publications.at(-1)!.seq : through, publications, facts }
  }

  async newest(channel: string, count: number, through: number): Promise<number> {
    const { table, forgottenThrough } = this.#options
    const facts = await this.facts(channel)
    const id = table.names.find(channel)
    if (id < 0 || table.lastTime.get(id) === 0) return Math.min(forgottenThrough(), through)
    const newest = Math.max(facts.lastSeq, facts.deletedAt)
    const last = facts.lastSeq <= through ? facts.lastOffset : await this.#offsetUpTo(id, through)
    if (count === 0 && newest <= through) return newest
    if (count === 0 && facts.deletedAt > through) return through
    const floor = table.floorOffset(id)
    if (last <= floor) return Math.min(through, newest)
    const head = await this.#head(id, count === 0 ? last : Math.max(floor + 1, last - count + 1))
    return count === 0 ? (head?.seq ?? through) : (head?.seq ?? facts.trimmed.seq + 1) - 1
  }

  /** Moves the channel's floor to the first publication that the rule keeps now. Steady traffic moves it a step; else by doubled steps, then by halves. */
  async applyRule(id: number): Promise<void> {
    const { table } = this.#options
    for (let tries = 0; ; tries++) {
      const floor = table.floorOffset(id)
      if (table.floorTime.get(id) === 0 && floor < table.lastOffset.get(id)) await this.#lookAtFirst(id, floor + 1)
      if (this.#isKept(id, floor + 1, table.floorBytes.get(id), table.floorTime.get(id))) return
      // It stands still only where a record is not where the tables say.
      if (tries === 8)
        throw new FanfareError('internal', `the store does not find the end of what is trimmed of channel ${table.names.name(id) ?? id}`)
      const last = table.lastOffset.get(id)
      let gone = Math.max(floor + 1, this.#goneByCount(id))
      let kept = last + 1
      for (let step = 1; gone + step < kept; step *= 2) {
        const head = await this.#head(id, gone + step)
        if (head !== undefined && this.#isKept(id, gone + step, head.bytesBefore, head.time)) kept = gone + step
        else gone += step
      }
      while (kept - gone > 1) {
        const middle = Math.floor((gone + kept) / 2)
        const head = await this.#head(id, middle)
        if (head !== undefined && this.#isKept(id, middle, head.bytesBefore, head.time)) kept = middle
        else gone = middle
      }
      await this.#moveFloor(id, gone)
    }
  }

  /** What is kept of the seqs after `after`, of all channels: one reading's worth. */
  async entries(after: number, through: number): Promise<Entries> {
    const { index, segments } = this.#options
    if (after < index.sealed) {
      const segment = segments.all.find(({ row }) => row.lastSeq > after)
      // Nothing is left of what stood there.
      if (segment === undefined || segment.row.firstSeq > after + 1)
        return { through: Math.min(through, (segment?.row.firstSeq ?? index.sealed + 1) - 1), entries: [] }
      return (await this.#ask({ kind: 'scan', job: { segment: segment.row, lower: after, through } })) as Entries
    }
    const journal = index.journalOf(after + 1)
    const next = index.journals.find(({ before }) => before > journal.before)?.before ?? through
    const last = Math.min(through, next, after + 1024)
    const places = Uint32Array.from({ length: last - after }, (_, n) => index.place(after + 1 + n))
    const pieces: Piece[] = [{ kind: 'places', file: journalName(journal.number), places }]
    const answer = await this.#read({ channel: 0, pieces, lower: after, through: last, most: places.length, mostBytes: pageBytes, step: 0 })
    const { entries } = entriesIn(blockOf(ownBuffer(answer.bytes)), last)
    return { through: entries.at(-1)?.seq ?? last, entries }
  }

  /** Resolves when all that is being read now was read. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#running)
  }

  #factsOf(id: number): Facts {
    const { table } = this.#options
    const lastOffset = table.lastOffset.get(id)
    const floor = table.floorOffset(id)
    const trimmedSeq = table.trimmedSeq.get(id)
    const forgotten = table.forgotten.get(id)
    return {
      trimmed: trimmedSeq >= forgotten ? { seq: trimmedSeq, offset: table.trimmedOffset.get(id) } : { seq: forgotten, offset: null },
      deletedAt: table.deletedAt.get(id),
      lastSeq: table.lastSeq.get(id),
      lastOffset,
      count: lastOffset - floor,
      bytes: lastOffset === floor ? 0 : table.totalBytes.get(id) - table.floorBytes.get(id),
    }
  }

  #goneByCount(id: number): number {
    const { table } = this.#options
    const most = table.ruleOf(id).keep.publications
    return most === null ? 0 : table.lastOffset.get(id) - most
  }

  #isKept(id: number, offset: number, bytesBefore: number, time: number): boolean {
    const { table, now } = this.#options
    if (offset > table.lastOffset.get(id)) return true
    const { ageMs, bytes } = table.ruleOf(id).keep
    if (offset <= this.#goneByCount(id)) return false
    if (bytes !== null && table.totalBytes.get(id) - bytesBefore > bytes) return false
    return ageMs === null || time > now() - ageMs
  }

  /** `gone` is the newest offset that is left out now. */
  async #moveFloor(id: number, gone: number): Promise<void> {
    const { table } = this.#options
    const [trimmed, first] = await Promise.all([
      this.#head(id, gone),
      gone < table.lastOffset.get(id) ? this.#head(id, gone + 1) : undefined,
    ])
    // Something else moved it meanwhile, or the file was sealed while it was read: look again.
    if (table.floorOffset(id) >= gone || trimmed === undefined) return
    table.applyTrimmed(id, gone, trimmed.seq)
    table.floorBytes.set(id, trimmed.bytesBefore + trimmed.payload)
    table.floorTime.set(id, first?.time ?? 0)
  }

  /** After all of a run was dropped, what comes next is not known yet. */
  async #lookAtFirst(id: number, offset: number): Promise<void> {
    const { table } = this.#options
    const first = await this.#head(id, offset)
    if (first === undefined || table.floorOffset(id) !== offset - 1) return
    table.floorBytes.set(id, first.bytesBefore)
    table.floorTime.set(id, first.time)
  }

  /** Newest offset of the channel with a seq up to `through`. */
  async #offsetUpTo(id: number, through: number): Promise<number> {
    const { table } = this.#options
    let low = table.floorOffset(id)
    let high = table.lastOffset.get(id)
    while (low < high) {
      const middle = Math.ceil((low + high) / 2)
      const head = await this.#head(id, middle)
      if (head === undefined || head.seq <= through) low = middle
      else high = middle - 1
    }
    return low
  }

  /** What a publication's record says, or undefined where it is not there any more. */
  async #head(id: number, offset: number): Promise<Head | undefined> {
    const { table, index, segments } = this.#options
    const lastOffset = table.lastOffset.get(id)
    const seq = table.lastSeq.get(id) <= index.sealed ? 0 : index.stepBack(table.lastSeq.get(id), lastOffset, lastOffset - offset)
    const piece = seq > 0 ? this.#placesPiece([seq])[0] : segments.pieceOfOffset(id, offset)
    if (piece === undefined) return undefined
    const answer = await this.#read({
      channel: id,
      pieces: [piece],
      lower: 0,
      through: Number.MAX_SAFE_INTEGER,
      most: 1,
      mostBytes: pageBytes,
      step: 0,
      offset,
    })
    if (answer.count === 0) return undefined
    const block = blockOf(ownBuffer(answer.bytes))
    return { seq: recordSeq(block, 0), bytesBefore: recordBytes(block, 0), payload: payloadLength(block, 0), time: recordTime(block, 0) }
  }

  #pieces(id: number, lower: number, through: number, most: number): Piece[] {
    const { table, index, segments } = this.#options
    const pieces = lower < index.sealed ? segments.pieces(id, lower, Math.min(through, index.sealed)) : []
    const last = table.lastSeq.get(id)
    if (last > index.sealed && through > index.sealed)
      pieces.push(...this.#placesPiece(index.first(last, lower, most).filter((seq) => seq <= through)))
    return pieces
  }

  #placesPiece(seqs: readonly number[]): Piece[] {
    const { index } = this.#options
    const byJournal = new Map<number, number[]>()
    for (const seq of seqs) {
      const { number } = index.journalOf(seq)
      const places = byJournal.get(number) ?? []
      places.push(index.place(seq))
      byJournal.set(number, places)
    }
    return [...byJournal].map(([number, places]) => ({ kind: 'places', file: journalName(number), places: Uint32Array.from(places) }))
  }

  async #read(job: PageJob): Promise<PageAnswer> {
    const answer = (await this.#ask({ kind: 'page', job })) as PageAnswer
    if (answer.damage === undefined) return answer
    const { file, place } = answer.damage
    throw this.#unreadable(damaged(file, place, 'a record can not be read'))
  }

  async #ask(question: ReaderQuestion): Promise<ReaderAnswer> {
    const asked = this.#options.lane.ask(question)
    this.#running.add(asked)
    try {
      return await asked
    } catch (error) {
      throw this.#unreadable(error as Error)
    } finally {
      this.#running.delete(asked)
    }
  }

  /** The operator is told the file and the place; who asked, not. */
  #unreadable(error: Error): FanfareError {
    this.#options.onDamage(error)
    return new FanfareError('internal', 'a part of what is kept can not be read', { cause: error })
  }
}

/** The publications of an answer; their data are views of its bytes. */
export function publicationsOf(answer: PageAnswer, channel: string): Publication[] {
  const block = blockOf(ownBuffer(answer.bytes))
  const publications: Publication[] = []
  for (let at = 0, n = 0; n < answer.count; n++) {
    publications.push(readPublication(block, at, channel))
    at += padded(recordLength(block, at))
  }
  return publications
}

/** The bytes as a buffer of their own, that begins at 0. */
export function ownBuffer(bytes: Uint8Array): ArrayBufferLike {
  return bytes.byteOffset === 0 && bytes.byteLength === bytes.buffer.byteLength ? bytes.buffer : bytes.slice().buffer
}
