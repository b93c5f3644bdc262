import { FanfareError, type Runtime } from '@fanfare/wire'
import type { BoundsData } from './bounds.ts'
import type { ChannelTable } from './channel-table.ts'
import type { Frame } from './frame.ts'
import { stepped } from './format.ts'
import { journalBegin } from './journal.ts'
import type { KeeperAnswer } from './keeper.ts'
import type { KeeperLane } from './keeper-lane.ts'
import { type JournalRow, journalName, segmentName } from './manifest.ts'
import { newNonce, type OpenedStore } from './opening.ts'
import type { ReaderLane } from './reader-lane.ts'
import type { Reading } from './reading.ts'
import { floorNumbers } from './segment-writer.ts'

export interface UpkeepOptions {
  readonly runtime: Runtime
  readonly store: OpenedStore
  readonly keeper: KeeperLane
  readonly reader: ReaderLane
  readonly reading: Reading
  /** Time for retention. */
  readonly now: () => number
  readonly channelForgetMs: number
  /** A journal is made no smaller where space is short. */
  readonly journalLeastBytes: number
  readonly journalMostBytes: number
  /** Writes into the log that channels are forgotten: those that `choose` names when its turn has come. */
  readonly forget: (most: number, choose: () => readonly { readonly id: number; readonly through: number }[]) => Promise<void>
  /** A journal is there, or can not be made. */
  readonly onJournal: (row: JournalRow) => void
  /** True where somebody was refused by it. */
  readonly onNoJournal: (error: FanfareError) => boolean
  /** Work on what is sealed failed; it is tried again later, and appends go on as long as there are journals. */
  readonly onTrouble: (error: Error) => void
}

interface BegunJournal {
  readonly number: number
  /** Where its committed frames end. */
  end: number
}

/** After the disk was full, it is asked again no sooner. */
const retryMs = 1000
/** What only time changes (age, forgetting, expiry of keys) is looked at so often. */
const sweepMs = 60_000
const tendEveryMs = 10 * sweepMs
const forgetAtOnce = 5000

/** Has journals made and sealed, segments merged and compacted, channels forgotten: all that happens beside appends and reads. */
export class Upkeep {
  readonly #options: UpkeepOptions
  /** In the order of the log; the last one that holds a committed frame goes on, those before it are full. */
  readonly #begun: BegunJournal[]
  #current: number
  #bytes = 0
  #forgottenThrough: number
  #largest: number
  #refusedAt = -Infinity
  /** Bytes of the journal that there was no space for, while there is none. */
  #missing: number | undefined
  #making: Promise<void> | undefined
  /** How often a journal was given or refused. */
  #answered = 0
  #cancelRetry: (() => void) | undefined
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
    this.#largest = Math.max(store.current.row.size, ...store.spares.map(({ size }) => size))
    this.#forgottenThrough = store.forgottenThrough
    this.#tendedAt = runtime.monotonic()
    this.#cancelSweep = runtime.after(sweepMs, () => void this.#sweep())
    this.sealFull()
  }

  /** Of all files, as last counted. */
  get bytes(): number {
    return this.#bytes
  }

  get forgottenThrough(): number {
    return this.#forgottenThrough
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

  async wantJournal(bytes: number): Promise<void> {
    const answered = this.#answered
    // The answer comes in a later turn, whatever it is.
    await Promise.resolve()
    while (this.#making !== undefined) await this.#making
    // What was under way was the answer.
    if (this.#answered !== answered || this.#closed) return
    if (this.#options.runtime.monotonic() - this.#refusedAt >= retryMs) return this.#make(bytes)
    this.#refuse(new FanfareError('storage-full', 'there is no space for more; it is looked for again every second'))
  }

  #make(bytes: number): Promise<void> {
    this.#making = this.#makeJournal(bytes).finally(() => (this.#making = undefined))
    return this.#making
  }

  /** Where there is no space, what is not kept any more is given back at once, and then it is tried again. */
  async #makeJournal(bytes: number): Promise<void> {
    // What waits for being sealed gives its journal back.
    this.sealFull()
    if ((await this.#tryJournal(bytes)) === undefined || this.#closed) return
    await this.#atMost(this.#reclaim(), retryMs)
    const failure = await this.#tryJournal(bytes)
    if (failure === undefined) return
    this.#refusedAt = this.#options.runtime.monotonic()
    if (this.#missing === undefined) this.#trouble(failure)
    this.#missing = bytes
    this.#refuse(failure)
  }

  async #tryJournal(bytes: number): Promise<FanfareError | undefined> {
    const { runtime, keeper, journalLeastBytes, journalMostBytes, onJournal } = this.#options
    const size = stepped(Math.max(bytes, Math.min(this.#largest * 2, journalMostBytes)))
    const least = stepped(Math.max(bytes, Math.min(journalLeastBytes, size)))
    try {
      const nonce = newNonce((count) => runtime.random(count))
      const journal = this.#note(await keeper.ask({ kind: 'journal', size, least, nonce })).journal!
      this.#largest = Math.min(Math.max(this.#largest, journal.size), journalMostBytes)
      this.#missing = undefined
      this.#answered++
      onJournal(journal)
      return undefined
    } catch (error) {
      if (error instanceof FanfareError) return error
      return new FanfareError('storage-full', `there is no space for a journal (${(error as Error).message})`, { cause: error })
    }
  }

  /** As long as somebody is refused, it is tried again by itself. */
  #refuse(error: FanfareError): void {
    this.#answered++
    if (this.#options.onNoJournal(error)) this.#retryLater()
  }

  #retryLater(): void {
    if (this.#cancelRetry !== undefined || this.#closed) return
    this.#cancelRetry = this.#options.runtime.after(retryMs, () => {
      this.#cancelRetry = undefined
      if (this.#missing !== undefined && this.#making === undefined) void this.#make(this.#missing)
    })
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

  /** Waits for it, but no longer than so: it goes on by itself. */
  async #atMost(work: Promise<void>, ms: number): Promise<void> {
    let cancel: () => void = () => undefined
    await Promise.race([work, new Promise<void>((resolve) => (cancel = this.#options.runtime.after(ms, resolve)))])
    cancel()
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
    this.#cancelRetry?.()
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
      await this.#forget()
    } catch (error) {
      this.#trouble(error)
    }
    if (this.#closed) return
    this.sealFull()
    if (store.segments.all.length > 0 && runtime.monotonic() - this.#tendedAt >= tendEveryMs) this.tend()
    this.#cancelSweep = runtime.after(sweepMs, () => void this.#sweep())
  }

  /** Forgets channels that have been empty for long, some at once; the next sweep goes on. */
  async #forget(): Promise<void> {
    const { store, reading, runtime } = this.#options
    const { table } = store
    const ids: number[] = []
    let through = this.#forgottenThrough
    for (let id = 1; id < table.end && ids.length < forgetAtOnce; id++) {
      if (id % 65_536 === 0) await new Promise<void>((resolve) => runtime.soon(resolve))
      if (!this.#isOld(id)) continue
      await reading.applyRule(id)
      if (table.floorOffset(id) < table.lastOffset.get(id)) continue
      ids.push(id)
      through = Math.max(through, table.lastSeq.get(id), table.deletedAt.get(id))
    }
    if (ids.length === 0 || this.#closed) return
    await this.#options.forget(ids.length, () => {
      // Some may have been published to meanwhile.
      const still = ids.filter((id) => this.#isOld(id))
      this.#forgottenThrough = through
      return still.map((id) => ({ id, through }))
    })
  }

  /** Nothing of it is under way, and so old that nothing of it may be kept but by a rule without age. */
  #isOld(id: number): boolean {
    const { store, now, channelForgetMs } = this.#options
    const { table } = store
    const deleted = table.deletedAt.get(id) > table.lastSeq.get(id)
    if ((table.lastSeq.get(id) === 0 && !deleted) || table.assignedOffset.get(id) !== table.lastOffset.get(id)) return false
    const empty = table.floorOffset(id) === table.lastOffset.get(id)
    const ageMs = table.ruleOf(id).keep.ageMs ?? (empty ? 0 : null)
    return ageMs !== null && table.lastTime.get(id) + (deleted ? 0 : ageMs) + channelForgetMs < now()
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
