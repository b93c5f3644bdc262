import type { Once, Placed } from '../engine.ts'

export interface OnceEntry {
  readonly print: string
  readonly expires: number
  readonly placed: readonly Placed[]
  /** Number of the frame that holds it; 0 where it was read at the start. */
  readonly frame: number
}

export interface StateEntry {
  readonly value: Uint8Array
  readonly expires: number
  readonly frame: number
}

/** Keys that were used once, and values. Both expire; nothing is evicted before. */
export class KeyedState {
  readonly #once = new Map<string, OnceEntry>()
  readonly #values = new Map<string, StateEntry>()

  get onceCount(): number {
    return this.#once.size
  }

  findOnce(key: string, now: number): OnceEntry | undefined {
    const entry = this.#once.get(key)
    return entry !== undefined && entry.expires > now ? entry : undefined
  }

  putOnce(once: Once, placed: readonly Placed[], frame: number): void {
    // A key that comes again after its window goes to the end: the oldest stand first, and are the first to go.
    this.#once.delete(once.key)
    this.#once.set(once.key, { print: once.print, expires: once.expires, placed, frame })
  }

  findValue(key: string, now: number): StateEntry | undefined {
    const entry = this.#values.get(key)
    return entry !== undefined && (entry.expires === 0 || entry.expires > now) ? entry : undefined
  }

  putValue(key: string, value: Uint8Array | null, expires: number, frame: number): void {
    if (value === null) this.#values.delete(key)
    else this.#values.set(key, { value, expires, frame })
  }

  /** Forgets what expired: from the oldest on, or all of it where `whole`. */
  expire(now: number, whole: boolean): void {
    for (const [key, entry] of this.#once) {
      if (entry.expires <= now) this.#once.delete(key)
      else if (!whole) break
    }
    if (!whole) return
    for (const [key, entry] of this.#values) if (entry.expires !== 0 && entry.expires <= now) this.#values.delete(key)
  }
}
