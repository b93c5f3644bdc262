import type { Runtime } from '@fanfare/wire'

/** A clock that stands still until a test moves it. */
export class ManualRuntime implements Runtime {
  #now = 0
  #calls: { readonly at: number; readonly call: () => void }[] = []

  now(): number {
    return this.#now
  }

  monotonic(): number {
    return this.#now
  }

  after(ms: number, call: () => void): () => void {
    const entry = { at: this.#now + ms, call }
    this.#calls.push(entry)
    return () => {
      this.#calls = this.#calls.filter((other) => other !== entry)
    }
  }

  soon(call: () => void): void {
    setImmediate(call)
  }

  random(count: number): Uint8Array {
    return new Uint8Array(count)
  }

  /** How many calls are still to come. */
  get waiting(): number {
    return this.#calls.length
  }

  /** Moves the clock, in the order of what is due. */
  pass(ms: number): void {
    const end = this.#now + ms
    for (;;) {
      const [next] = this.#calls.filter((entry) => entry.at <= end).sort((a, b) => a.at - b.at)
      if (next === undefined) break
      this.#calls = this.#calls.filter((other) => other !== next)
      this.#now = next.at
      next.call()
    }
    this.#now = end
  }
}
