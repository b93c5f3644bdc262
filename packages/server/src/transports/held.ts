import type { TransportName } from './names.ts'

/** A response or connection that stays open. */
export interface Held {
  readonly transport: TransportName
  /** The server goes down: answer, or tell the receiver to come again after so many milliseconds, and end. */
  leave(afterMs: number): void
}

const leavesAtOnce = 500

/** All that is open, for the metrics and for a clean end. */
export class HeldSet {
  readonly #held = new Set<Held>()
  readonly #counts = new Map<TransportName, number>()
  #onEmpty: (() => void) | undefined
  #afterMs: (() => number) | undefined

  /** Open now, by transport. */
  get counts(): ReadonlyMap<TransportName, number> {
    return this.#counts
  }

  /** All have been told to leave: an answer is the last on its connection. */
  get leaving(): boolean {
    return this.#afterMs !== undefined
  }

  get size(): number {
    return this.#held.size
  }

  add(held: Held): void {
    if (this.#held.has(held)) return
    this.#held.add(held)
    this.#counts.set(held.transport, (this.#counts.get(held.transport) ?? 0) + 1)
    // It waited for its turn on its connection meanwhile.
    const afterMs = this.#afterMs
    if (afterMs !== undefined) setImmediate(() => held.leave(afterMs()))
  }

  remove(held: Held): void {
    if (!this.#held.delete(held)) return
    this.#counts.set(held.transport, (this.#counts.get(held.transport) ?? 1) - 1)
    if (this.#held.size === 0) this.#onEmpty?.()
  }

  /** Tells all to leave, some at a time so that publishes in flight are answered in between. `afterMs` is asked for each, so that they come back spread out. */
  leave(afterMs: () => number): Promise<void> {
    this.#afterMs = afterMs
    const left = [...this.#held]
    const some = (from: number): void => {
      for (const held of left.slice(from, from + leavesAtOnce)) held.leave(afterMs())
      if (from + leavesAtOnce < left.length) setImmediate(some, from + leavesAtOnce)
    }
    some(0)
    if (this.#held.size === 0) return Promise.resolve()
    return new Promise((resolve) => (this.#onEmpty = resolve))
  }
}
