import type { Runtime } from '@fanfare/wire'

interface Timer {
  readonly at: number
  readonly call: () => void
}

/** A node's event loop, moved by the simulation alone. */
export class SimRuntime implements Runtime {
  #time = 1_000_000
  #turns: (() => void)[] = []
  #timers: Timer[] = []

  get turns(): number {
    return this.#turns.length
  }

  runTurn(): void {
    this.#turns.shift()?.()
  }

  pass(ms: number): void {
    this.#time += ms
    const due = this.#timers.filter(({ at }) => at <= this.#time)
    if (due.length === 0) return
    this.#timers = this.#timers.filter(({ at }) => at > this.#time)
    for (const { call } of due) this.#turns.push(call)
  }

  die(): void {
    this.#turns = []
    this.#timers = []
  }

  now(): number {
    return this.#time
  }

  monotonic(): number {
    return this.#time
  }

  after(ms: number, call: () => void): () => void {
    const timer = { at: this.#time + ms, call }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer)
    }
  }

  soon(call: () => void): void {
    this.#turns.push(call)
  }

  random(count: number): Uint8Array {
    return new Uint8Array(count)
  }
}
