import type { Runtime } from '@fanfare/wire'

/** A jump of the wall clock is believed after it has stood for so long. */
const confirmMs = 5 * 60_000
/** Less than this is drift, not a jump. */
const toleranceMs = 10_000

/**
 * Time for retention: follows the wall clock, but not a jump forward before it is confirmed, and never goes back, so that a wrong clock does not
 * trim what should be kept.
 */
export class TrustedClock {
  readonly #runtime: Runtime
  #time: number
  #measured: number
  #jumpedAt: number | undefined

  constructor(runtime: Runtime) {
    this.#runtime = runtime
    this.#time = runtime.now()
    this.#measured = runtime.monotonic()
  }

  now(): number {
    const wall = this.#runtime.now()
    const measured = this.#runtime.monotonic()
    const expected = this.#time + (measured - this.#measured)
    if (wall <= expected + toleranceMs) this.#jumpedAt = undefined
    else this.#jumpedAt ??= measured
    const confirmed = this.#jumpedAt === undefined || measured - this.#jumpedAt >= confirmMs
    if (confirmed) this.#jumpedAt = undefined
    this.#time = Math.max(this.#time, confirmed ? wall : expected)
    this.#measured = measured
    return this.#time
  }
}
