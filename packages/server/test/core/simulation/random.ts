/** Seeded chance (sfc32): the same seed, the same run. */
export class Random {
  #a: number
  #b: number
  #c: number
  #d = 1

  constructor(seed: number) {
    this.#a = seed | 0
    this.#b = 0x9e3779b9 ^ (seed >>> 3)
    this.#c = 0x85ebca6b
    for (let i = 0; i < 12; i++) this.#next()
  }

  /** 0 up to, not including, `count`. */
  below(count: number): number {
    return this.#next() % count
  }

  /** From `least` to `most`, both included. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1)
  }

  /** True once in `count` times. */
  oneIn(count: number): boolean {
    return this.#next() % count === 0
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)]
    if (item === undefined) throw new RangeError('nothing to pick from')
    return item
  }

  #next(): number {
    const sum = (this.#a + this.#b + this.#d++) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum
    return sum >>> 0
  }
}
