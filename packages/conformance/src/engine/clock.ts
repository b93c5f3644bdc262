import { randomBytes } from 'node:crypto'
import type { Runtime } from '@fanfare/wire'

/** A runtime whose time moves only when it is told to; turns of the event loop and chance are the machine's own. */
export class ManualClock implements Runtime {
  #wall = Date.UTC(2026, 0, 1)
  #monotonic = 1000
  #timers: Timer[] = []

  now(): number {
    return this.#wall
  }

  monotonic(): number {
    return this.#monotonic
  }

  after(ms: number, call: () => void): () => void {
    const timer = { due: this.#monotonic + ms, call }
    this.#timers.push(timer)
    return () => void (this.#timers = this.#timers.filter((other) => other !== timer))
  }

  soon(call: () => void): void {
    setImmediate(call)
  }

  random(count: number): Uint8Array {
    return randomBytes(count)
  }

  /** Both clocks go on; timers that come due are called in their order, each at its own time. */
  advance(ms: number): void {
    const end = this.#monotonic + ms
    for (let next = this.#next(end); next !== undefined; next = this.#next(end)) {
      this.#step(Math.max(0, next.due - this.#monotonic))
      this.#timers = this.#timers.filter((timer) => timer !== next)
      next.call()
    }
    this.#step(end - this.#monotonic)
  }

  /** Somebody sets the wall clock. */
  jump(ms: number): void {
    this.#wall += ms
  }

  #step(ms: number): void {
    this.#wall += ms
    this.#monotonic += ms
  }

  #next(end: number): Timer | undefined {
    const due = this.#timers.filter((timer) => timer.due <= end)
    return due.reduce<Timer | undefined>((first, timer) => (first === undefined || timer.due < first.due ? timer : first), undefined)
  }
}

interface Timer {
  readonly due: number
  readonly call: () => void
}
