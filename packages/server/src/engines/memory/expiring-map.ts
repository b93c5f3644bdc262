/**
 * Values by key that end at a wall time in ms (0: never). What is over is never given, and given back by `purge`, which looks at nothing that
 * is not due: keys are kept by the second in which they end.
 */
export class ExpiringMap<Value> {
  readonly #entries = new Map<string, Entry<Value>>()
  readonly #due = new Map<number, Set<string>>()
  readonly #onRemove: (key: string, value: Value) => void

  /** `onRemove` hears of every value that leaves: replaced, deleted or over. */
  constructor(onRemove: (key: string, value: Value) => void = () => {}) {
    this.#onRemove = onRemove
  }

  get size(): number {
    return this.#entries.size
  }

  get(key: string, now: number): Value | undefined {
    const entry = this.#entries.get(key)
    return entry === undefined || isOver(entry.expires, now) ? undefined : entry.value
  }

  set(key: string, value: Value, expires: number): void {
    this.delete(key)
    this.#entries.set(key, { value, expires })
    if (expires === 0) return
    const keys = this.#due.get(secondOf(expires))
    if (keys === undefined) this.#due.set(secondOf(expires), new Set([key]))
    else keys.add(key)
  }

  delete(key: string): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    this.#entries.delete(key)
    this.#due.get(secondOf(entry.expires))?.delete(key)
    this.#onRemove(key, entry.value)
  }

  /** Lets go of what is over. */
  purge(now: number): void {
    for (const [second, keys] of this.#due) {
      if (second * 1000 > now) continue
      this.#due.delete(second)
      for (const key of keys) this.delete(key)
    }
  }
}

interface Entry<Value> {
  readonly value: Value
  readonly expires: number
}

/** The first full second in which everything that ends before it is over. */
function secondOf(expires: number): number {
  return Math.ceil(expires / 1000)
}

function isOver(expires: number, now: number): boolean {
  return expires !== 0 && expires <= now
}
