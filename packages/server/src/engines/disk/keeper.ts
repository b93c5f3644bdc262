import { FanfareError } from '@fanfare/wire'
import { Bounds, type BoundsData } from './bounds.ts'
import { chooseMerge, wantsCompaction } from './choosing.ts'
import type { Block } from './crc.ts'
import type { Files } from './files.ts'
import { prepareJournal, readJournal } from './journal.ts'
import { type JournalRow, type Manifest, namesName, replaceManifest, type SegmentRow } from './manifest.ts'
import { liveBytes, mergeSegments } from './merging.ts'
import { appendNames, rewriteNames } from './names-file.ts'
import { sealJournal } from './sealing.ts'
import type { WrittenSegment } from './segment-writer.ts'

export type KeeperQuestion =
  | { readonly kind: 'journal'; readonly size: number; readonly nonce: number }
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
  | { readonly kind: 'tend'; readonly now: number; readonly bounds: BoundsData }

export interface KeeperAnswer {
  /** Of all files. */
  readonly bytes: number
  readonly journal?: JournalRow
  /** A segment that stands in the place of a journal or of other segments; undefined where there was nothing to do. */
  readonly segment?: WrittenSegment
  readonly removed?: readonly number[]
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
  #block: Block | undefined
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
        return { journal: this.#makeJournal(question.size, question.nonce), bytes: this.#bytes() }
      case 'seal':
        return { ...this.#seal(question), bytes: this.#bytes() }
      case 'release':
        this.#release(question.file)
        return { bytes: this.#bytes() }
      case 'tend':
        return { ...(yield* this.#tend(question)), bytes: this.#bytes() }
      default:
        return question satisfies never
    }
  }

  #makeJournal(size: number, nonce: number): JournalRow {
    const recycled = this.#recycled?.size === size ? this.#recycled : undefined
    if (recycled === undefined) this.#checkSpace(size)
    else this.#recycled = undefined
    const number = this.#manifest.nextNumber
    const row = { number, generation: number, nonce, size }
    prepareJournal(this.#files, row, recycled?.name)
    this.#replace({ nextNumber: number + 1, journals: [...this.#manifest.journals, row] })
    return row
  }

  #seal({ journal, end, before, last, now, bounds }: Extract<KeeperQuestion, { kind: 'seal' }>): Pick<KeeperAnswer, 'segment'> {
    const row = this.#manifest.journals.find(({ number }) => number === journal)!
    const block = readJournal(this.#files, row, this.#block)
    this.#block = block
    const number = this.#manifest.nextNumber
    const { segment, names, forgottenThrough, forgotten } = sealJournal(
      this.#files,
      { journal: row, block, end, before, last, number, now },
      new Bounds(bounds),
    )
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

  *#tend({ now, bounds: data }: Extract<KeeperQuestion, { kind: 'tend' }>): Generator<void, Pick<KeeperAnswer, 'segment' | 'removed'>> {
    const bounds = new Bounds(data)
    const chosen =
      this.#chooseCompaction(bounds) ?? chooseMerge(this.#manifest.segments, this.#options.mergeMostBytes, this.#options.mergeFromBytes)
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
  #chooseCompaction(bounds: Bounds): readonly SegmentRow[] | undefined {
    const { segments } = this.#manifest
    let rows = 500_000
    for (let n = 0; n < segments.length && rows > 0; n++) {
      const segment = segments[this.#nextToWeigh++ % segments.length]!
      rows -= segment.rows
      if (segment.records > 0 && wantsCompaction(segment, liveBytes(this.#files, segment, bounds))) return [segment]
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
    return this.#files.list().reduce((sum, { size }) => sum + size, 0)
  }

  /** The store takes at most 80 % of what is free and its own together, so that it never fills a disk. */
  #checkSpace(more: number): void {
    if (this.#recycled !== undefined) {
      this.#files.remove(this.#recycled.name)
      this.#recycled = undefined
    }
    const own = this.#bytes()
    const most = Math.min(this.#options.storageBytes, 0.8 * (own + this.#files.free()))
    if (own + more > most)
      throw new FanfareError(
        'storage-full',
        `the store has ${own} bytes and may have ${Math.floor(most)}; a journal of ${more} does not fit`,
      )
  }

  #replace(change: Partial<Manifest>): void {
    const manifest = { ...this.#manifest, ...change }
    replaceManifest(this.#files, manifest)
    this.#manifest = manifest
  }
}
