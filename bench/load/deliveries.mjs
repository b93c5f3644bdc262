import { Histogram } from '../lib/statistics.mjs'

const size = 65_536

/** Counts who still lacks each publication of one channel, and how long it took. Knows the last 65,536. */
export class Deliveries {
  #sentAt = new Float64Array(size)
  #left = new Int32Array(size)
  #receivers
  #onComplete
  times = new Histogram()
  delivered = 0
  sent = 0
  complete = 0

  /** @param {number} receivers @param {() => void} onComplete everybody has one more */
  constructor(receivers, onComplete) {
    this.#receivers = receivers
    this.#onComplete = onComplete
  }

  /** @param {number} number */
  expect(number) {
    if (this.#left[number % size] !== 0) throw new Error('more publications under way than can be counted')
    this.#sentAt[number % size] = performance.now()
    this.#left[number % size] = this.#receivers
    this.sent++
  }

  /** @param {number} number */
  arrived(number) {
    const at = number % size
    this.times.add((performance.now() - (this.#sentAt[at] ?? 0)) * 1000)
    this.delivered++
    const left = (this.#left[at] ?? 0) - 1
    if (left < 0) throw new Error(`${number} arrived more often than there are receivers`)
    this.#left[at] = left
    if (left === 0) {
      this.complete++
      this.#onComplete()
    }
  }
}
