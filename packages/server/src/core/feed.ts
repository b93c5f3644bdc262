import { FanfareError } from '@fanfare/wire'
import type { Runtime } from '@fanfare/wire'
import type { Commit, Engine, Head } from '../engines/engine.ts'
import type { FeedWaiter } from './node-state.ts'

/** The store's head is looked at this often: so the last notification can't be lost for ever. */
const checkMs = 1000
/** A node that lags so much longer can't answer for places that it has not seen. */
const lagMs = 10_000

interface Waiting {
  readonly waiter: FeedWaiter
  readonly since: number
}

export interface FeedOwner {
  /** The next commit; nothing lies between it and what came before. */
  commit(commit: Commit): void
  /** The feed went on to a later place without telling what lies before it: everybody reads that from the engine. */
  jumped(head: Head): void
}

/**
 * The commits of the store, in order, each once, whatever the notifications do; and those who wait for a place of it. Where one was lost, it is not
 * told again: of what an engine tells late only the rest may be kept, and that would hide gaps. So the feed jumps, and what it passed over is read.
 */
export class Feed {
  place = 0
  readonly #engine: Engine
  readonly #runtime: Runtime
  readonly #owner: FeedOwner
  #stop: () => void = () => undefined
  #cancelCheck: () => void = () => undefined
  #generation = 0
  #closed = false
  /** While it jumps: what is told is only counted, up to the place from which on all is told as it happens. */
  #jump: { reached: number; until: number; head: Head | undefined } | undefined
  /** The engine has not said yet where to go on: asking again would only begin anew. */
  #asking = false
  #headBefore = 0
  #behindSince: number | undefined
  #waiting: Waiting[] = []

  constructor(engine: Engine, runtime: Runtime, owner: FeedOwner) {
    this.#engine = engine
    this.#runtime = runtime
    this.#owner = owner
  }

  /** False where the store's head was out of reach for too long. */
  get ready(): boolean {
    return this.#behindSince === undefined || this.#runtime.monotonic() - this.#behindSince < lagMs
  }

  /** Follows from the head of the store on. */
  async start(head: Head): Promise<void> {
    this.place = head.seq
    this.#scheduleCheck()
    await this.#catchUp()
  }

  wait(waiter: FeedWaiter): void {
    this.#waiting.push({ waiter, since: this.#runtime.monotonic() })
  }

  close(): void {
    this.#closed = true
    this.#generation++
    this.#waiting = []
    this.#stop()
    this.#cancelCheck()
  }

  async #catchUp(): Promise<void> {
    this.#stop()
    const generation = ++this.#generation
    const jump = (this.#jump = { reached: this.place, until: Number.POSITIVE_INFINITY, head: undefined as Head | undefined })
    this.#asking = true
    try {
      const from = await this.#engine.head()
      if (generation !== this.#generation) return
      jump.reached = from.seq
      this.#stop = this.#engine.follow(from.seq, (commit) => {
        if (generation === this.#generation) this.#take(commit)
      })
      // Whatever was committed before this answer may be told late, and with it what is no longer kept may be left out.
      const head = await this.#engine.head()
      if (generation !== this.#generation) return
      jump.head = head
      jump.until = head.seq
      this.#endJump()
    } catch {
      // The check finds the feed behind, says so by `ready`, and tries again.
      this.#behindSince ??= this.#runtime.monotonic()
      this.#headBefore = Number.POSITIVE_INFINITY
    } finally {
      if (generation === this.#generation) this.#asking = false
    }
  }

  #take(commit: Commit): void {
    if (this.#jump !== undefined) {
      this.#jump.reached = Math.max(this.#jump.reached, commit.through)
      return this.#endJump()
    }
    if (commit.through <= this.place) return
    if (commit.from > this.place) {
      void this.#catchUp()
      return
    }
    const seen = this.place
    this.#reach(commit.through)
    this.#owner.commit(commit.from === seen ? commit : after(commit, seen))
    this.#resumeWaiting()
  }

  #endJump(): void {
    const jump = this.#jump
    if (jump?.head === undefined || jump.reached < jump.until) return
    this.#jump = undefined
    if (jump.reached > this.place) {
      this.#reach(jump.reached)
      this.#owner.jumped(jump.head)
    }
    this.#resumeWaiting()
  }

  #reach(place: number): void {
    this.place = place
    this.#behindSince = undefined
  }

  #resumeWaiting(): void {
    if (this.#waiting.length === 0) return
    const ready = this.#waiting.filter(({ waiter }) => waiter.awaitedPlace <= this.place)
    if (ready.length === 0) return
    this.#waiting = this.#waiting.filter(({ waiter }) => waiter.awaitedPlace > this.place)
    for (const { waiter } of ready) waiter.resume()
  }

  #scheduleCheck(): void {
    if (this.#closed) return
    this.#cancelCheck = this.#runtime.after(checkMs, () => void this.#check())
  }

  async #check(): Promise<void> {
    const now = this.#runtime.monotonic()
    try {
      const head = await this.#engine.head()
      if (this.#closed) return
      // What was committed a whole check ago and is not here yet was not told.
      if (this.place < this.#headBefore && !this.#asking) void this.#catchUp()
      this.#behindSince = this.place < head.seq ? (this.#behindSince ?? now) : undefined
      this.#headBefore = head.seq
    } catch {
      this.#behindSince ??= now
    }
    this.#failLate(now)
    this.#scheduleCheck()
  }

  #failLate(now: number): void {
    const late = this.#waiting.filter(({ since }) => now - since > lagMs)
    if (late.length === 0) return
    this.#waiting = this.#waiting.filter(({ since }) => now - since <= lagMs)
    for (const { waiter } of late) waiter.fail(new FanfareError('overloaded', 'this node has not seen the place yet; try again'))
  }
}

/** What of a repeated notification is new. */
function after(commit: Commit, place: number): Commit {
  return {
    ...commit,
    from: place,
    publications: commit.publications.filter(({ seq }) => seq > place),
    deletions: commit.deletions.filter(({ seq }) => seq > place),
  }
}
