import { FanfareError, type Limits, type Runtime } from '@fanfare/wire'
import type { AppendAnswer, AppendRequest, Item, Once, Placed } from '../engine.ts'
import { asRepeat, boundOf, onlyDeletes, planAppend, refusalOf, type StoreRequest, weightOf } from './append-plan.ts'
import type { ChannelTable } from './channel-table.ts'
import type { CommitLane } from './commit-lane.ts'
import { frameHeadBytes, sealFrame, stepped, type SyncedPlace } from './format.ts'
import { type Frame, newFrame } from './frame.ts'
import { forgottenBound, FrameWriter } from './frame-writer.ts'
import { journalBegin, reserveOf } from './journal.ts'
import type { KeyedState } from './keyed-state.ts'
import type { JournalRow } from './manifest.ts'

export interface CommitterOptions {
  readonly runtime: Runtime
  readonly limits: Limits
  readonly table: ChannelTable
  readonly state: KeyedState
  readonly lane: CommitLane
  /** Of the running start: its mark and its number in the table of starts. */
  readonly mark: string
  readonly start: number
  readonly head: number
  readonly lastTime: number
  readonly synced: SyncedPlace
  readonly current: { readonly row: JournalRow; readonly place: number }
  readonly spares: readonly JournalRow[]
  /** Time that is never less than what was given out before. */
  readonly now: () => number
  readonly forgottenThrough: () => number
  /** A frame is on the disk: tables first, then answers, then feeds. */
  readonly onCommit: (frame: Frame) => void
  /** The store failed, and nobody waited who would be told: at a closing frame. */
  readonly onFailure: (error: FanfareError) => void
  /** A journal comes into use after all entries up to `before`. */
  readonly onJournal: (row: JournalRow, before: number) => void
  /** Wants one more journal, of at least so many bytes; answers by `addJournal` or `refuseJournal`. */
  readonly wantJournal: (bytes: number) => void
}

interface Waiting {
  readonly request: StoreRequest
  /** Bytes that it takes while it waits. */
  readonly weight: number
  readonly resolve: (answer: AppendAnswer) => void
  readonly reject: (error: Error) => void
}

const closingAfterMs = 1000
const softFrameBytes = 1024 * 1024

/** Collects appends into frames, one of which is in flight while the next collects. Places are given here, and only to what has room in a journal. */
export class Committer {
  readonly #options: CommitterOptions
  readonly #writers: [FrameWriter, FrameWriter]
  readonly #queue: Waiting[] = []
  readonly #spares: JournalRow[]
  #journal: JournalRow
  #place: number
  #synced: SyncedPlace
  #seq: number
  #time: number
  #frames = 0
  #committed = 0
  #open: Frame | undefined
  #flight: Frame | undefined
  #flushing = false
  #wanted = false
  #waitingBytes = 0
  #failure: FanfareError | undefined
  #closed = false
  #closing = true
  #idle: (() => void) | undefined
  #drained: (() => void) | undefined

  constructor(options: CommitterOptions) {
    this.#options = options
    this.#writers = [new FrameWriter(options.lane.blocks[0]), new FrameWriter(options.lane.blocks[1])]
    this.#journal = options.current.row
    this.#place = options.current.place
    this.#spares = [...options.spares]
    this.#synced = options.synced
    this.#seq = options.head
    this.#time = options.lastTime
  }

  /** Highest place that was given to an entry, committed or not. */
  get assigned(): number {
    return this.#seq
  }

  get waitingBytes(): number {
    return this.#waitingBytes
  }

  get failure(): FanfareError | undefined {
    return this.#failure
  }

  /** The place in the log that is known to be synced. */
  get synced(): SyncedPlace {
    return this.#synced
  }

  /** Forgets channels, in order with appends: `choose` is called when their turn has come, and names at most `most` of them. */
  async forget(most: number, choose: NonNullable<StoreRequest['forget']>): Promise<void> {
    await this.#accept({ items: [], forget: choose }, most * forgottenBound)
  }

  append(request: AppendRequest): Promise<AppendAnswer> {
    return this.#accept(request, weightOf(request))
  }

  #accept(request: StoreRequest, weight: number): Promise<AppendAnswer> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) return reject(this.#failure)
      if (this.#closed) return reject(new FanfareError('storage-failed', 'the store is closed'))
      if (this.#waitingBytes + weight > this.#options.limits.commitWaitingBytes)
        return reject(new FanfareError('overloaded', 'too much waits to be committed'))
      this.#waitingBytes += weight
      const waiting = { request, weight, resolve, reject }
      if (this.#queue.length > 0 || !this.#take(waiting)) this.#queue.push(waiting)
    })
  }

  /** Calls when the frame is committed, or at once where it is; never where it fails. */
  async whenCommitted(frame: number): Promise<void> {
    if (frame <= this.#committed) return
    await new Promise<void>((resolve, reject) => this.#waitFor(frame, resolve, reject))
  }

  addJournal(row: JournalRow): void {
    this.#wanted = false
    this.#spares.push(row)
    this.#takeQueue()
  }

  /** There is none: whoever waits for nothing else is told, and the next one asks again. Deletions go into what is reserved for them. True where somebody was refused. */
  refuseJournal(error: FanfareError): boolean {
    this.#wanted = false
    let refused = false
    const waits = this.#open === undefined && this.#flight === undefined ? this.#queue.splice(0) : []
    for (const waiting of waits) {
      if (onlyDeletes(waiting.request) && this.#take(waiting)) continue
      this.#refuse(waiting, error)
      refused = true
    }
    this.#settle()
    return refused
  }

  /** Commits what was accepted, and writes a closing frame. */
  async close(): Promise<void> {
    this.#closed = true
    this.#idle?.()
    while (this.#failure === undefined && (this.#open !== undefined || this.#flight !== undefined || this.#queue.length > 0))
      await new Promise<void>((resolve) => (this.#drained = resolve))
    if (this.#failure === undefined && this.#writeClosing()) await new Promise<void>((resolve) => (this.#drained = resolve))
  }

  /** True where the request needs to wait no more: it is in the open frame, or was answered or refused. */
  #take(waiting: Waiting): boolean {
    const { request } = waiting
    const { state, table, limits, now } = this.#options
    const plan = planAppend(request, state, now(), this.#frames)
    if (plan.kind === 'conflict') {
      this.#waitingBytes -= waiting.weight
      waiting.resolve(plan)
      return true
    }
    if (plan.kind === 'repeat') {
      this.#answerPlaced(waiting, plan.placed, plan.frame)
      return true
    }
    const refusal = refusalOf(request, plan.keys, limits, table, state, now())
    if (refusal !== undefined) {
      this.#refuse(waiting, refusal)
      return true
    }
    const frame = this.#frameFor(boundOf(request, waiting.weight), onlyDeletes(request))
    if (frame === undefined) return false
    this.#encode(frame, waiting, plan.repeated)
    this.#scheduleFlush()
    return true
  }

  #refuse(waiting: Waiting, error: FanfareError): void {
    this.#waitingBytes -= waiting.weight
    waiting.reject(error)
  }

  #answerPlaced(waiting: Waiting, placed: readonly Placed[], frame: number): void {
    this.#waitingBytes -= waiting.weight
    const answer = () => waiting.resolve({ kind: 'placed', placed })
    if (frame <= this.#committed) answer()
    else this.#waitFor(frame, answer, waiting.reject)
  }

  #waitFor(frame: number, answer: () => void, refuse: (error: Error) => void): void {
    const holder = this.#flight?.number === frame ? this.#flight : this.#open
    if (this.#failure !== undefined || holder === undefined)
      return refuse(this.#failure ?? new FanfareError('internal', 'a frame was lost'))
    holder.answers.push(answer)
    holder.refusals.push(refuse)
  }

  /** The open frame if it has room for so many bytes, else a new one; undefined while neither can be. */
  #frameFor(bound: number, deletes: boolean): Frame | undefined {
    const open = this.#open
    if (open !== undefined) {
      const room = Math.min(softFrameBytes, this.#endFor(deletes) - open.place)
      return open.writer.at + bound <= room ? open : undefined
    }
    const length = frameHeadBytes + bound
    // What begins a journal may need all of it.
    if (this.#place + length > this.#endFor(deletes || this.#place === journalBegin) && !this.#nextJournal(length)) return undefined
    const spare = this.#writers.find((writer) => writer !== this.#flight?.writer)!
    const block = length > softFrameBytes ? this.#options.lane.bigBlock(length) : this.#options.lane.blocks[this.#writers.indexOf(spare)]!
    spare.reset(block)
    this.#frames++
    this.#open = newFrame(this.#frames, spare, this.#journal, this.#place, this.#seq)
    return this.#open
  }

  /** The end of the last journal is reserved for deletions: they are what makes room in a full store. */
  #endFor(deletes: boolean): number {
    const { size } = this.#journal
    return deletes || this.#spares.length > 0 ? size : size - reserveOf(size)
  }

  #nextJournal(length: number): boolean {
    const bytes = journalBegin + length
    const fit = this.#spares.findIndex(({ size }) => size >= bytes)
    if (fit < 0) {
      this.#want(bytes)
      return false
    }
    // Those that are too small are passed over for good: journals are read in the order of the manifest.
    const passed = this.#spares.splice(0, fit + 1)
    for (const row of passed.slice(0, -1)) this.#options.onJournal(row, this.#seq)
    const next = passed.at(-1)!
    this.#journal = next
    this.#place = journalBegin
    this.#options.onJournal(next, this.#seq)
    return true
  }

  #want(bytes: number): void {
    if (this.#wanted) return
    this.#wanted = true
    this.#options.wantJournal(bytes)
  }

  #encode(frame: Frame, waiting: Waiting, repeated: readonly (Placed | undefined)[]): void {
    const { request } = waiting
    const time = Math.max(this.#time, this.#options.now())
    this.#time = time
    frame.time = time
    const own = new Map<string, Placed>()
    const placed: Placed[] = []
    for (const [index, item] of request.items.entries()) {
      const once = item.kind === 'publication' ? item.once : undefined
      const before = repeated[index] ?? (once === undefined ? undefined : own.get(once.key))
      if (before !== undefined) {
        placed.push(asRepeat(before))
        continue
      }
      const entry = this.#encodeItem(frame, item, time)
      placed.push(entry)
      if (once === undefined) continue
      own.set(once.key, entry)
      this.#encodeOnce(frame, once, [entry])
    }
    if (request.once !== undefined) this.#encodeOnce(frame, request.once, placed)
    for (const { key, value, expires } of request.state ?? []) {
      frame.writer.state(key, value, expires, this.#seq)
      this.#options.state.putValue(key, value, expires, frame.number)
    }
    for (const { id, through } of request.forget?.() ?? []) {
      frame.writer.forgotten(id, through)
      // Its name is free at once, for what comes next in the log; what is known of it stays until this is committed.
      this.#options.table.names.remove(id)
      frame.forgotten.push(id)
    }
    frame.lastSeq = this.#seq
    frame.waitingBytes += waiting.weight
    frame.answers.push(() => waiting.resolve({ kind: 'placed', placed }))
    frame.refusals.push(waiting.reject)
  }

  #encodeItem(frame: Frame, item: Item, time: number): Placed {
    const { table, mark } = this.#options
    const { writer } = frame
    const seq = ++this.#seq
    let channel = table.names.find(item.channel)
    if (channel < 0) {
      const forgotten = this.#options.forgottenThrough()
      channel = table.add(item.channel, seq, forgotten)
      writer.name(channel, item.channel, seq, time, forgotten)
    }
    const bytes = table.assignedBytes.get(channel)
    let offset = table.assignedOffset.get(channel)
    let position: number
    if (item.kind === 'publication') {
      offset++
      table.assignedOffset.set(channel, offset)
      table.assignedBytes.set(channel, bytes + item.message.data.length)
      position = writer.publication(channel, offset, seq, time, bytes, item.message)
    } else {
      position = writer.deletion(channel, offset, seq, time, bytes, {
        offset: table.trimmedOffset.get(channel),
        seq: table.trimmedSeq.get(channel),
      })
    }
    const placed = { channel: item.channel, offset: item.kind === 'publication' ? offset : 0, seq, time, mark, replayed: false }
    frame.items.push(item)
    frame.placed.push(placed)
    frame.channels.push(channel)
    frame.positions.push(position)
    frame.before.push(item.kind === 'publication' ? bytes : offset)
    return placed
  }

  #encodeOnce(frame: Frame, once: Once, placed: readonly Placed[]): void {
    const { table, state, start } = this.#options
    const rows = placed.map(({ channel, offset, seq, time }) => ({ channel: table.names.find(channel), start, offset, seq, time }))
    frame.writer.once(once.key, once.print, once.expires, this.#seq, rows)
    state.putOnce(once, placed, frame.number)
  }

  #scheduleFlush(): void {
    if (this.#flight !== undefined || this.#flushing) return
    this.#flushing = true
    // All that is appended in this turn goes together: a microtask would send the first request that a turn reads alone, and let the others wait for its sync.
    this.#options.runtime.soon(() => {
      this.#flushing = false
      this.#flush()
    })
  }

  #flush(): void {
    const frame = this.#open
    if (frame === undefined || this.#flight !== undefined || this.#failure !== undefined) return
    this.#open = undefined
    this.#flight = frame
    this.#idle?.()
    const { writer, journal, place } = frame
    this.#place = stepped(place + writer.at)
    this.#closing = writer.records === 0
    sealFrame(writer.block, 0, {
      nonce: journal.nonce,
      length: writer.at,
      generation: journal.generation,
      start: this.#options.start,
      records: writer.records,
      firstSeq: frame.firstSeq,
      synced: this.#synced,
      time: frame.time,
    })
    this.#options.lane.commit({ block: writer.block, length: writer.at, journal: journal.number, place }, (error) =>
      this.#committedOrNot(frame, error),
    )
  }

  #committedOrNot(frame: Frame, error: Error | undefined): void {
    if (error !== undefined) return this.#fail(error)
    this.#flight = undefined
    this.#waitingBytes -= frame.waitingBytes
    this.#committed = frame.number
    this.#synced = { generation: frame.journal.generation, place: stepped(frame.place + frame.writer.at) }
    // The next frame first: the disk need not wait for the answers.
    this.#takeQueue()
    this.#flush()
    this.#options.onCommit(frame)
    for (const answer of frame.answers) answer()
    if (this.#spares.length === 0 && this.#place * 2 > this.#journal.size) this.#want(0)
    this.#settle()
  }

  #takeQueue(): void {
    while (this.#queue.length > 0 && this.#failure === undefined && this.#take(this.#queue[0]!)) this.#queue.shift()
  }

  /** One failed sync ends acknowledging: what the disk holds is not known any more until a start reads it. */
  #fail(cause: Error): void {
    this.#failure = new FanfareError(
      'storage-failed',
      `the disk refused a commit (${cause.message}); nothing is acknowledged until a restart has recovered`,
      { cause },
    )
    const refused = [this.#flight, this.#open].flatMap((frame) => frame?.refusals ?? [])
    this.#flight = undefined
    this.#open = undefined
    for (const refuse of refused) refuse(this.#failure)
    const waiting = this.#queue.splice(0)
    for (const { reject } of waiting) reject(this.#failure)
    if (refused.length + waiting.length === 0) this.#options.onFailure(this.#failure)
    this.#settle()
  }

  #settle(): void {
    if (this.#open !== undefined || this.#flight !== undefined || this.#queue.length > 0) return
    const drained = this.#drained
    this.#drained = undefined
    drained?.()
    this.#idle?.()
    if (!this.#closing && !this.#closed && this.#failure === undefined)
      this.#idle = this.#options.runtime.after(closingAfterMs, () => void this.#writeClosing())
  }

  /** A frame without records, that names what is synced: damage of the last frame is told from a torn tail by it. False where it needs none. */
  #writeClosing(): boolean {
    if (this.#closing || this.#open !== undefined || this.#flight !== undefined || this.#place + frameHeadBytes > this.#journal.size)
      return false
    const frame = this.#frameFor(0, true)
    if (frame === undefined) return false
    frame.time = this.#time
    this.#flush()
    return true
  }
}
