import type { Runtime } from '@fanfare/wire'

/** What the node moves on: a receiver, or a chunk of them. */
export interface Stepper {
  /** Stands in a lane; set by the lanes alone. */
  queued: boolean
  step(): void
}

export interface LaneBudgets {
  /** Writes of live steps before others get a turn. */
  readonly writes: number
  /** Bytes for those that lag in each turn; never zero, so that a busy channel does not starve them. */
  readonly bytes: number
}

/** A step costs at least this, so that steps which deliver nothing are bounded too. */
const leastBytes = 1024

/** The order of work: live steps first, by a budget of writes; then those that lag, by a budget of bytes; then the event loop. */
export class Lanes {
  readonly #runtime: Runtime
  readonly #budgets: LaneBudgets
  readonly #afterTurn: () => void
  readonly #live = new StepQueue()
  readonly #behind = new StepQueue()
  #running = false
  #scheduled = false
  #closed = false
  /** What this turn has spent; those who write add to it. */
  writes = 0
  bytes = 0

  constructor(runtime: Runtime, budgets: LaneBudgets, afterTurn: () => void) {
    this.#runtime = runtime
    this.#budgets = budgets
    this.#afterTurn = afterTurn
  }

  get behindLength(): number {
    return this.#behind.length
  }

  live(stepper: Stepper): void {
    if (stepper.queued) return
    stepper.queued = true
    this.#live.put(stepper)
    this.#schedule()
  }

  behind(stepper: Stepper): void {
    if (stepper.queued) return
    stepper.queued = true
    this.#behind.put(stepper)
    this.#schedule()
  }

  /** A turn now: what a commit woke is delivered inside the call that brought it. */
  run(): void {
    if (this.#running || this.#closed) return
    this.#running = true
    try {
      this.#runLive()
      this.#runBehind()
    } finally {
      this.#running = false
      this.#afterTurn()
    }
    if (this.#live.length + this.#behind.length > 0) this.#schedule()
  }

  close(): void {
    this.#closed = true
  }

  #runLive(): void {
    this.writes = 0
    while (this.#live.length > 0 && this.writes < this.#budgets.writes) {
      this.writes++
      step(this.#live.take())
    }
  }

  #runBehind(): void {
    this.bytes = 0
    while (this.#behind.length > 0 && this.bytes < this.#budgets.bytes) {
      this.bytes += leastBytes
      step(this.#behind.take())
    }
  }

  #schedule(): void {
    if (this.#scheduled || this.#running || this.#closed) return
    this.#scheduled = true
    this.#runtime.soon(() => {
      this.#scheduled = false
      this.run()
    })
  }
}

function step(stepper: Stepper | undefined): void {
  if (stepper === undefined) return
  stepper.queued = false
  stepper.step()
}

/** First in, first out, without moving what waits. */
class StepQueue {
  #items: (Stepper | undefined)[] = []
  #first = 0

  get length(): number {
    return this.#items.length - this.#first
  }

  put(stepper: Stepper): void {
    this.#items.push(stepper)
  }

  take(): Stepper | undefined {
    const stepper = this.#items[this.#first]
    this.#items[this.#first++] = undefined
    if (this.#first === this.#items.length) {
      this.#items = []
      this.#first = 0
    } else if (this.#first > 1024 && this.#first * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#first)
      this.#first = 0
    }
    return stepper
  }
}
