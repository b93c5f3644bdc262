import { FanfareError } from '@fanfare/wire'
import type { Runtime } from '@fanfare/wire'
import type { Commit, Engine } from '../engines/engine.ts'
import type { FeedWaiter } from './node-state.ts'

/** The store's head is looked at this often: so the last notification can't be lost for ever. */
const checkMs = 1000
/** A node that lags so much longer can't answer for places that it has not seen. */
const lagMs = 10_000

interface Waiting {
  readonly waiter: FeedWaiter
  readonly since: number
}

/** The commits of the store, in order, each once, whatever the notifications do; and those who wait for a place of it. */
export class Feed {
  place: number
  readonly #engine: Engine
  readonly #runtime: Runtime
  readonly #onCommit: (commit: Commit) => void
  #stop: () => void = () => undefined
  #cancelCheck: () => void = () => undefined
  #generation = 0
  #closed = false
  #headBefore = 0
  #behindSince: number | undefined
  #waiting: Waiting[] = []

  constructor(engine: Engine, runtime: Runtime, place: number, onCommit: (commit: Commit) => void) {
    this.#engine = engine
    this.#runtime = runtime
    this.place = place
    this.#onCommit = onCommit
    this.#follow()
    this.#scheduleCheck()
  }

  /** False where the store's head was out of reach for too long. */
  get ready(): boolean {
    return this.#behindSince === undefined || this.#runtime.monotonic() - this.#behindSince < lagMs
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

  #follow(): void {
    this.#stop()
    const generation = ++this.#generation
    this.#stop = this.#engine.follow(this.place, (commit) => {
      if (generation === this.#generation) this.#take(commit)
    })
  }

  #take(commit: Commit): void {
    if (commit.through <= this.place) return
    // A notification in between was lost: ask again from where the feed stands.
    if (commit.from > this.place) return this.#follow()
    const seen = this.place
    this.place = commit.through
    this.#behindSince = undefined
    this.#onCommit(commit.from === seen ? commit : after(commit, seen))
    if (this.#waiting.length > 0) this.#resumeWaiting()
  }

  #resumeWaiting(): void {
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
      if (this.place < this.#headBefore) this.#follow()
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
