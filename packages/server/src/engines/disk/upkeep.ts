import { FanfareError, type Runtime } from '@fanfare/wire'
import type { BoundsData } from './bounds.ts'
import type { ChannelTable } from './channel-table.ts'
import type { Frame } from './frame.ts'
import { Forgetting, type ForgettingOptions } from './forgetting.ts'
import { stepped } from './format.ts'
import { journalBegin } from './journal.ts'
import type { KeeperAnswer } from './keeper.ts'
import { JournalMaker, type JournalMakerOptions } from './journal-maker.ts'
import type { KeeperLane } from './keeper-lane.ts'
import { type JournalRow, journalName, segmentName } from './manifest.ts'
import type { OpenedStore } from './opening.ts'
import type { ReaderLane } from './reader-lane.ts'
import type { Reading } from './reading.ts'
import { floorNumbers } from './segment-writer.ts'

type JournalWishes = Pick<JournalMakerOptions, 'journalLeastBytes' | 'journalMostBytes' | 'onJournal' | 'onNoJournal'>

export interface UpkeepOptions extends ForgettingOptions, JournalWishes {
  readonly runtime: Runtime
  readonly store: OpenedStore
  readonly keeper: KeeperLane
  readonly reader: ReaderLane
  readonly reading: Reading
  /** Time for retention. */
  readonly now: () => number
  /** Work on what is sealed failed; it is tried again later, and appends go on as long as there are journals. */
  readonly onTrouble: (error: Error) => void
}

interface BegunJournal {
  readonly number: number
  /** Where its committed frames end. */
  end: number
}

/** What only time changes (age, forgetting, expiry of keys) is looked at so often. */
const sweepMs = 60_000
const tendEveryMs = 10 * sweepMs

/** Has journals made and sealed, segments merged and compacted, channels forgotten: all that happens beside appends and reads. */
export class Upkeep {
  readonly #options: UpkeepOptions
  /** In the order of the log; the last one that holds a committed frame goes on, those before it are full. */
  readonly #begun: BegunJournal[]
  #current: number
  #bytes = 0
  readonly #journals: JournalMaker
  readonly #forgetting: Forgetting
  #sealing: Promise<void> | undefined
  readonly #releasing = new Set<Promise<void>>()
  #tending: Promise<void> | undefined
  #cancelSweep: () => void
  #tendedAt: number
  #closed = false

  constructor(options: UpkeepOptions) {
    this.#options = options
    const { store, runtime } = options
    this.#current = store.current.row.number
    this.#begun = [...store.full, { number: this.#current, end: store.current.place }]
    this.#forgetting = new Forgetting(options)
    this.#journals = new JournalMaker({
      ...options,
      largest: Math.max(store.current.row.size, ...store.spares.map(({ size }) => size)),
      ask: async (question) => this.#note(await options.keeper.ask(question)),
      sealFull: () => this.sealFull(),
      reclaim: () => this.#reclaim(),
      onTrouble: (error) => this.#trouble(error),
    })
    this.#tendedAt = runtime.monotonic()
    this.#cancelSweep = runtime.after(sweepMs, () => void this.#sweep())
    this.sealFull()
  }

  /** Of all files, as last counted. */
  get bytes(): number {
    return this.#bytes
  }

  get forgottenThrough(): number {
    return this.#forgetting.through
  }

  setBytes(bytes: number): void {
    this.#bytes = bytes
  }

  /** Frames go to this journal from now on; entries up to `before` stand in those before it. */
  beginJournal(row: JournalRow, before: number): void {
    this.#options.store.index.begin(row.number, before)
    this.#begun.push({ number: row.number, end: journalBegin })
  }

  /** A frame was committed: what stands before its journal is full, and synced. */
  onCommit(frame: Frame): void {
    const { number } = frame.journal
    const journal = this.#begun.find((begun) => begun.number === number)!
    journal.end = stepped(frame.place + frame.writer.at)
    if (number === this.#current) return
    this.#current = number
    this.sealFull()
  }

  wantJournal(bytes: number): Promise<void> {
    return this.#journals.want(bytes)
  }

  /** Seals, compacts and removes what takes space in vain. */
  async #reclaim(): Promise<void> {
    await this.#sealing
    await this.#tending
    if (this.#closed) return
    this.#tending ??= this.#tendAll(true).finally(() => (this.#tending = undefined))
    await this.#tending
    await Promise.all(this.#releasing)
  }

  /** Seals what is full, one journal after the other. */
  sealFull(): void {
    if (this.#sealing !== undefined || this.#fullJournal() === undefined || this.#closed) return
    this.#sealing = this.#sealAll().finally(() => (this.#sealing = undefined))
  }

  /** Merges and compacts until there is nothing to do. */
  tend(): void {
    this.#tendedAt = this.#options.runtime.monotonic()
    if (this.#tending !== undefined || this.#closed) return
    this.#tending = this.#tendAll(false).finally(() => (this.#tending = undefined))
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.#sealing !== undefined || this.#tending !== undefined || this.#releasing.size > 0)
      await Promise.all([this.#sealing, this.#tending, ...this.#releasing])
  }

  /** What is under way is left where it stands: it counts only when the manifest says so. */
  close(): void {
    this.#closed = true
    this.#cancelSweep()
    this.#journals.close()
    this.#forgetting.close()
  }

  #fullJournal(): BegunJournal | undefined {
    const [oldest] = this.#begun
    return oldest?.number === this.#current ? undefined : oldest
  }

  async #sealAll(): Promise<void> {
    const { store, keeper, now } = this.#options
    try {
      for (let journal = this.#fullJournal(); journal !== undefined && !this.#closed; journal = this.#fullJournal()) {
        const [span, next] = store.index.journals
        const answer = await keeper.ask({
          kind: 'seal',
          journal: journal.number,
          end: journal.end,
          before: span!.before,
          last: next!.before,
          now: now(),
          bounds: this.#bounds(),
        })
        this.#begun.shift()
        this.#swap(answer, () => store.index.dropOldest())
        this.#release([journalName(journal.number)])
        this.tend()
      }
    } catch (error) {
      this.#trouble(error)
    }
  }

  async #tendAll(full: boolean): Promise<void> {
    const { keeper, now } = this.#options
    try {
      while (!this.#closed) {
        const answer = await keeper.ask({ kind: 'tend', now: now(), bounds: this.#bounds(), full })
        this.#note(answer)
        if (answer.damage !== undefined) {
          this.#trouble(new FanfareError('storage-failed', answer.damage))
          continue
        }
        if (answer.segment === undefined) return
        this.#swap(answer, () => undefined)
        this.#release((answer.removed ?? []).map(segmentName))
      }
    } catch (error) {
      this.#trouble(error)
    }
  }

  /** From here on, readers find the records in the new segment: in one turn, with what was dropped. */
  #swap(answer: KeeperAnswer, also: () => void): void {
    this.#note(answer)
    const { segments, table } = this.#options.store
    const { row, table: segmentTable, floors } = answer.segment!
    segments.replace(answer.removed ?? [], { row, table: segmentTable })
    also()
    for (let at = 0; at < floors.length; at += floorNumbers) applyFloor(table, floors.subarray(at, at + floorNumbers))
  }

  /** Gives files back when nobody reads them any more. */
  #release(names: readonly string[]): void {
    const { reading, reader, keeper } = this.#options
    const give = async () => {
      await reading.settled()
      for (const file of names) {
        await reader.ask({ kind: 'release', file })
        this.#note(await keeper.ask({ kind: 'release', file }))
      }
    }
    const given = give()
      .catch((error: unknown) => this.#trouble(error))
      .finally(() => this.#releasing.delete(given))
    this.#releasing.add(given)
  }

  #trouble(error: unknown): void {
    if (!this.#closed) this.#options.onTrouble(error as Error)
  }

  #note(answer: KeeperAnswer): KeeperAnswer {
    this.#bytes = answer.bytes
    return answer
  }

  #bounds(): BoundsData {
    const { table } = this.#options.store
    const now = this.#options.now()
    const keeps = table.rules.map(({ keep }) => keep)
    return {
      lastOffset: table.lastOffset.chunks,
      totalBytes: table.totalBytes.chunks,
      deletedAt: table.deletedAt.chunks,
      since: table.since.chunks,
      rule: table.rule.chunks,
      keeps,
      horizons: keeps.map(({ ageMs }) => (ageMs === null ? -1 : now - ageMs)),
    }
  }

  async #sweep(): Promise<void> {
    const { runtime, store } = this.#options
    store.state.expire(runtime.now(), true)
    try {
      await this.#forgetting.run()
    } catch (error) {
      this.#trouble(error)
    }
    if (this.#closed) return
    this.sealFull()
    if (store.segments.all.length > 0 && runtime.monotonic() - this.#tendedAt >= tendEveryMs) this.tend()
    this.#cancelSweep = runtime.after(sweepMs, () => void this.#sweep())
  }
}

function applyFloor(table: ChannelTable, floor: Float64Array): void {
  const [id, offset, seq, bytes, time] = floor
  const moves = offset! > table.floorOffset(id!)
  table.applyTrimmed(id!, offset!, seq!)
  if (!moves) return
  table.floorBytes.set(id!, bytes!)
  table.floorTime.set(id!, time!)
}
