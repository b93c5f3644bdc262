import { FanfareError, type Limits, type Runtime } from '@fanfare/wire'
import type { AppendAnswer, AppendRequest, Placed } from '../engine.ts'
import { boundOf, makesRoom, planAppend, refusalOf, type StoreRequest, weightOf } from './append-plan.ts'
import type { CommitLane } from './commit-lane.ts'
import { frameHeadBytes, sealFrame, stepped, type SyncedPlace } from './format.ts'
import { type Frame, newFrame } from './frame.ts'
import { FrameEncoder, type FrameEncoderOptions } from './frame-encoder.ts'
import { forgottenBound, FrameWriter } from './frame-writer.ts'
import { JournalSpace, type JournalSpaceOptions } from './journal-space.ts'
import type { JournalRow } from './manifest.ts'

export interface CommitterOptions extends FrameEncoderOptions, JournalSpaceOptions {
  readonly runtime: Runtime
  readonly limits: Limits
  readonly lane: CommitLane
  readonly synced: SyncedPlace
  /** A frame is on the disk: tables first, then answers, then feeds. */
  readonly onCommit: (frame: Frame) => void
  /** The store failed, and nobody waited who would be told: at a closing frame. */
  readonly onFailure: (error: FanfareError) => void
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

/** Collects appends into frames, one of which is in flight while the next collects. Only what has room in a journal gets a place. */
export class Committer {
  readonly #options: CommitterOptions
  readonly #writers: [FrameWriter, FrameWriter]
  readonly #queue: Waiting[] = []
  readonly #encoder: FrameEncoder
  readonly #space: JournalSpace
  #synced: SyncedPlace
  #frames = 0
  #committed = 0
  #open: Frame | undefined
  #flight: Frame | undefined
  #flushing = false
  #waitingBytes = 0
  #failure: FanfareError | undefined
  #closed = false
  #closing = true
  #idle: (() => void) | undefined
  #drained: (() => void) | undefined

  constructor(options: CommitterOptions) {
    this.#options = options
    this.#writers = [new FrameWriter(options.lane.blocks[0]), new FrameWriter(options.lane.blocks[1])]
    this.#encoder = new FrameEncoder(options)
    this.#space = new JournalSpace(options)
    this.#synced = options.synced
  }

  /** Highest place that was given to an entry, committed or not. */
  get assigned(): number {
    return this.#encoder.seq
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
    this.#space.add(row)
    this.#takeQueue()
  }

  /** There is none: whoever waits for nothing else is told, and the next one asks again. Deletions go into what is reserved for them. True where somebody was refused. */
  refuseJournal(error: FanfareError): boolean {
    this.#space.refused()
    let refused = false
    const waits = this.#open === undefined && this.#flight === undefined ? this.#queue.splice(0) : []
    for (const waiting of waits) {
      if (makesRoom(waiting.request, this.#options.table) && this.#take(waiting)) continue
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
    const frame = this.#frameFor(boundOf(request, waiting.weight), makesRoom(request, table))
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
      const room = Math.min(softFrameBytes, this.#space.endFor(deletes) - open.place)
      return open.writer.at + bound <= room ? open : undefined
    }
    const length = frameHeadBytes + bound
    if (!this.#space.hasRoom(length, deletes, this.#encoder.seq)) return undefined
    const spare = this.#writers.find((writer) => writer !== this.#flight?.writer)!
    const block = length > softFrameBytes ? this.#options.lane.bigBlock(length) : this.#options.lane.blocks[this.#writers.indexOf(spare)]!
    spare.reset(block)
    this.#frames++
    this.#open = newFrame(this.#frames, spare, this.#space.row, this.#space.place, this.#encoder.seq)
    return this.#open
  }

  #encode(frame: Frame, waiting: Waiting, repeated: readonly (Placed | undefined)[]): void {
    const placed = this.#encoder.encode(frame, waiting.request, repeated)
    frame.waitingBytes += waiting.weight
    frame.answers.push(() => waiting.resolve({ kind: 'placed', placed }))
    frame.refusals.push(waiting.reject)
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
    this.#space.goOn(stepped(place + writer.at))
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
    this.#space.lookAhead()
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
    const { place, row } = this.#space
    if (this.#closing || this.#open !== undefined || this.#flight !== undefined || place + frameHeadBytes > row.size) return false
    const frame = this.#frameFor(0, true)
    if (frame === undefined) return false
    frame.time = this.#encoder.time
    this.#flush()
    return true
  }
}
