import { FanfareError } from '@fanfare/wire'
import { Bounds, type BoundsData } from './bounds.ts'
import { chooseMerge, wantsCompaction } from './choosing.ts'
import { discard } from './discard.ts'
import type { Files } from './files.ts'
import { stepped } from './format.ts'
import { isFull } from './full.ts'
import { prepareJournal, readJournal } from './journal.ts'
import { type JournalRow, type Manifest, namesName, replaceManifest, segmentName, type SegmentRow } from './manifest.ts'
import { liveBytes, mergeSegments } from './merging.ts'
import { appendNames, rewriteNames } from './names-file.ts'
import { bytesOf, keepReserve } from './reserve.ts'
import { rowBytes, trailerBytes } from './segment.ts'
import { sealJournal } from './sealing.ts'
import type { WrittenSegment } from './segment-writer.ts'

export type KeeperQuestion =
  /** Of `size` bytes, or, where there is no space for that, of half as many, down to `least`. */
  | { readonly kind: 'journal'; readonly size: number; readonly least: number; readonly nonce: number }
  | {
      readonly kind: 'seal'
      readonly journal: number
      readonly end: number
      readonly before: number
      readonly last: number
      readonly now: number
      readonly bounds: BoundsData
    }
  /** Nobody reads the file any more. A journal is kept for the next use. */
  | { readonly kind: 'release'; readonly file: string }
  /** `full`: there is no space for a journal, so space is what is wanted, and not fewer segments. */
  | { readonly kind: 'tend'; readonly now: number; readonly bounds: BoundsData; readonly full: boolean }

export interface KeeperAnswer {
  /** Of all files. */
  readonly bytes: number
  readonly journal?: JournalRow
  /** A segment that stands in the place of a journal or of other segments; undefined where there was nothing to do. */
  readonly segment?: WrittenSegment
  readonly removed?: readonly number[]
  /** A segment was found that can not be read, and is left alone from now on: where, and what can be done. */
  readonly damage?: string
}

export interface KeeperOptions {
  readonly storageBytes: number
  /** Size of the lowest tier of merging, and its end. */
  readonly mergeFromBytes: number
  readonly mergeMostBytes: number
}

const forgottenLineBytes = 40

/** Owns the manifest after the opening: all that makes, seals, merges and removes files goes through it, one change after the other. */
export class Keeper {
  readonly #files: Files
  readonly #options: KeeperOptions
  #manifest: Manifest
  /** A sealed journal that waits for its next use. */
  #recycled: { readonly name: string; readonly size: number } | undefined
  /** Segments that could not be read: they are left as they are, and said once. */
  readonly #unreadable = new Set<number>()
  #nextToWeigh = 0
  #forgotten = 0

  constructor(files: Files, manifest: Manifest, options: KeeperOptions) {
    this.#files = files
    this.#manifest = manifest
    this.#options = options
  }

  get manifest(): Manifest {
    return this.#manifest
  }

  /** Answers at its end; pauses now and then, and other questions may be answered meanwhile. */
  *handle(question: KeeperQuestion): Generator<void, KeeperAnswer> {
    switch (question.kind) {
      case 'journal':
        return { journal: this.#makeJournal(question), bytes: this.#bytes() }
      case 'seal':
        return { ...this.#seal(question), bytes: this.#bytes() }
      case 'release':
        this.#release(question.file)
        return { bytes: this.#bytes() }
      case 'tend':
        return { ...(yield* this.#tendReadable(question)), bytes: this.#bytes() }
      default:
        return question satisfies never
    }
  }

  #makeJournal({ size, least, nonce }: Extract<KeeperQuestion, { kind: 'journal' }>): JournalRow {
    for (let tried = size; ; tried = Math.max(least, stepped(tried / 2))) {
      try {
        return this.#journalOf(tried, nonce)
      } catch (error) {
        if (tried <= least || !isFull(error)) throw error
      }
    }
  }

  #journalOf(size: number, nonce: number): JournalRow {
    keepReserve(this.#files)
    const recycled = this.#recycled?.size === size ? this.#recycled : undefined
    if (recycled === undefined) this.#dropRecycled()
    this.#checkSpace(recycled === undefined ? size : 0)
    this.#recycled = undefined
    const number = this.#manifest.nextNumber
    const row = { number, generation: number, nonce, size }
    prepareJournal(this.#files, row, recycled?.name)
    this.#replace({ nextNumber: number + 1, journals: [...this.#manifest.journals, row] })
    return row
  }

  #seal({ journal, end, before, last, now, bounds }: Extract<KeeperQuestion, { kind: 'seal' }>): Pick<KeeperAnswer, 'segment'> {
    const row = this.#manifest.journals.find(({ number }) => number === journal)!
    const block = readJournal(this.#files, row)
    const number = this.#manifest.nextNumber
    const { segment, names, forgottenThrough, forgotten } = sealJournal(
      this.#files,
      { journal: row, block, end, before, last, number, now },
      new Bounds(bounds),
    )
    discard([block])
    this.#replace({
      nextNumber: number + 1,
      names: appendNames(this.#files, this.#manifest, names),
      forgottenThrough: Math.max(this.#manifest.forgottenThrough, forgottenThrough),
      segments: [...this.#manifest.segments, segment.row],
      sealedThrough: last,
      journals: this.#manifest.journals.filter((other) => other !== row),
    })
    this.#shortenNames(forgotten)
    return { segment }
  }

  #release(file: string): void {
    const { journals } = this.#manifest
    const size = this.#files.list().find(({ name }) => name === file)?.size ?? 0
    const wanted = journals.at(-1)?.size
    if (file.startsWith('journal-') && this.#recycled === undefined && size === wanted) this.#recycled = { name: file, size }
    else this.#files.remove(file)
  }

  *#tendReadable(question: Extract<KeeperQuestion, { kind: 'tend' }>): Generator<void, Omit<KeeperAnswer, 'bytes'>> {
    try {
      return yield* this.#tend(question)
    } catch (error) {
      const file = error instanceof FanfareError ? error.extra['file'] : undefined
      const damaged = this.#manifest.segments.find(({ number }) => segmentName(number) === file)
      if (damaged === undefined) throw error
      this.#unreadable.add(damaged.number)
      return { damage: (error as Error).message }
    }
  }

  *#tend({
    now,
    bounds: data,
    full,
  }: Extract<KeeperQuestion, { kind: 'tend' }>): Generator<void, Pick<KeeperAnswer, 'segment' | 'removed'>> {
    const bounds = new Bounds(data)
    if (full) this.#dropRecycled()
    const chosen =
      this.#chooseCompaction(bounds, 1 / 4) ??
      (full ? (this.#chooseCompaction(bounds, 3 / 4) ?? this.#chooseCompaction(bounds, 15 / 16)) : this.#chooseMerge())
    if (chosen === undefined) return {}
    const number = this.#manifest.nextNumber
    this.#manifest = { ...this.#manifest, nextNumber: number + 1 }
    const older = chosen[0] !== this.#manifest.segments[0]
    const segment = yield* mergeSegments(this.#files, { segments: chosen, number, now, older }, bounds)
    const at = this.#manifest.segments.indexOf(chosen[0]!)
    this.#replace({ segments: this.#manifest.segments.toSpliced(at, chosen.length, segment.row) })
    return { segment, removed: chosen.map((row) => row.number) }
  }

  /** Weighs some segments, taking turns, so that a large store is not read through after each seal. */
  #chooseCompaction(bounds: Bounds, share: number): readonly SegmentRow[] | undefined {
    const { segments } = this.#manifest
    let rows = 500_000
    for (let n = 0; n < segments.length && rows > 0; n++) {
      const segment = segments[this.#nextToWeigh++ % segments.length]!
      rows -= segment.rows
      if (segment.records === 0 || this.#unreadable.has(segment.number)) continue
      const live = liveBytes(this.#files, segment, bounds)
      // The new one is written before the old one goes.
      if (wantsCompaction(segment, live, share) && live + segment.rows * rowBytes + trailerBytes <= this.#files.free()) return [segment]
    }
    return undefined
  }

  #chooseMerge(): readonly SegmentRow[] | undefined {
    const { mergeMostBytes, mergeFromBytes } = this.#options
    const { segments } = this.#manifest
    for (let from = 0, to = 0; to <= segments.length; to++) {
      if (to < segments.length && !this.#unreadable.has(segments[to]!.number)) continue
      const chosen = chooseMerge(segments.slice(from, to), mergeMostBytes, mergeFromBytes)
      if (chosen !== undefined) return chosen
      from = to + 1
    }
    return undefined
  }

  /** When most lines of the names file are about channels that were forgotten, it is written anew. */
  #shortenNames(forgotten: number): void {
    this.#forgotten += forgotten
    const { names: old, nextNumber } = this.#manifest
    if (this.#forgotten < 1000 || this.#forgotten * forgottenLineBytes * 4 < old.length) return
    this.#replace({ names: rewriteNames(this.#files, this.#manifest, nextNumber), nextNumber: nextNumber + 1 })
    this.#files.remove(namesName(old.number))
    this.#forgotten = 0
  }

  #bytes(): number {
    return bytesOf(this.#files)
  }

  /** The store takes at most 80 % of what is free and its own together, so that it never fills a disk. */
  #checkSpace(more: number): void {
    const own = this.#bytes()
    const most = Math.min(this.#options.storageBytes, 0.8 * (own + this.#files.free()))
    if (own + more > most)
      throw new FanfareError('storage-full', `the store has ${own} bytes and may have ${Math.floor(most)}; ${more} more do not fit`)
  }

  #dropRecycled(): void {
    if (this.#recycled !== undefined) this.#files.remove(this.#recycled.name)
    this.#recycled = undefined
  }

  #replace(change: Partial<Manifest>): void {
    const manifest = { ...this.#manifest, ...change }
    replaceManifest(this.#files, manifest)
    this.#manifest = manifest
  }
}
