/** @typedef {{ readonly median: number, readonly min: number, readonly max: number, readonly count: number }} Spread */

/**
 * The quantile of sorted or unsorted numbers, by nearest rank.
 * @param {readonly number[]} values
 * @param {number} q 0 to 1
 */
export function quantile(values, q) {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(q * sorted.length) - 1))] ?? Number.NaN
}

/** @param {readonly number[]} values @returns {Spread} */
export function spreadOf(values) {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const median = sorted.length % 2 === 1 ? sorted[middle] : ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2
  return { median: median ?? Number.NaN, min: sorted[0] ?? Number.NaN, max: sorted.at(-1) ?? Number.NaN, count: sorted.length }
}

/** Latencies in microseconds without an array that grows: 64 steps an octave, so a value is right to about 1 %. */
export class Histogram {
  #counts = new Float64Array(64 * 40)
  #total = 0
  #largest = 0

  /** @param {number} us @param {number} [times] */
  add(us, times = 1) {
    const value = Math.max(1, us)
    this.#counts[Math.min(this.#counts.length - 1, Math.floor(Math.log2(value) * 64))] += times
    this.#total += times
    if (us > this.#largest) this.#largest = us
  }

  /** @param {number} q @returns {number} microseconds */
  at(q) {
    let left = q * this.#total
    for (let i = 0; i < this.#counts.length; i++) {
      left -= this.#counts[i] ?? 0
      if (left <= 0 && (this.#counts[i] ?? 0) > 0) return Math.min(this.#largest, 2 ** ((i + 0.5) / 64))
    }
    return this.#largest
  }

  summary() {
    return { count: this.#total, p50: this.at(0.5), p99: this.at(0.99), largest: this.#largest }
  }
}
