import { tokenMaker } from '@fanfare/wire'
import type { Start } from '../engines/engine.ts'

const remembered = 1024

/** Place -> token, by the table of starts. The newest tokens are remembered, so that a publisher's answer and the encoded entry share one string. */
export class Tokens {
  #starts: { readonly mark: string; readonly first: number; readonly make: (seq: number) => string }[] = []
  readonly #places = new Float64Array(remembered).fill(-1)
  readonly #tokens: string[] = Array.from({ length: remembered }, () => '')

  constructor(starts: readonly Start[]) {
    this.replace(starts)
  }

  /** The whole table, anew. */
  replace(starts: readonly Start[]): void {
    if (starts.length === 0) throw new RangeError('a store has at least one start')
    this.#starts = []
    for (const start of starts) this.add(start)
  }

  /** A start that a commit made known, beyond those of the beginning. */
  add(start: Start): void {
    this.#starts.push({ ...start, make: tokenMaker(start.mark) })
    this.#places.fill(-1)
  }

  get newestMark(): string {
    return this.#starts.at(-1)?.mark ?? ''
  }

  token(place: number): string {
    const slot = place % remembered
    if (this.#places[slot] === place) return this.#tokens[slot] ?? ''
    const token = this.#maker(place)(place)
    this.#places[slot] = place
    this.#tokens[slot] = token
    return token
  }

  /** Of the last start that begins at or before the place; place 0 belongs to the first. */
  #maker(place: number): (seq: number) => string {
    for (let i = this.#starts.length - 1; i > 0; i--) {
      const start = this.#starts[i]
      if (start !== undefined && start.first <= place) return start.make
    }
    const first = this.#starts[0]
    if (first === undefined) throw new RangeError('a store has at least one start')
    return first.make
  }
}
