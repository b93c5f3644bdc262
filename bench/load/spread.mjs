import { Histogram } from '../lib/statistics.mjs'
import { makePayload } from './payload.mjs'

/**
 * Publishes over many channels in turn, so many requests under way, each on a connection of its own. Checks the offsets that are answered: of each
 * channel 1, 2, 3 … after those of earlier runs; the receivers, where there is one a channel, check the numbers themselves.
 *
 * @typedef {object} SpreadPlan
 * @property {string} path `{n}` in it is the channel's index
 * @property {number} channels
 * @property {number} inFlight
 * @property {number} seconds
 * @property {number} bytes
 */
export class Spread {
  #plan
  #publisher
  #numbers
  #onProblem
  #sentAt
  #underWay
  #turn = 0
  #ends = 0
  answers = new Histogram()
  arrivals = new Histogram()
  answered = 0
  arrived = 0

  /**
   * @param {SpreadPlan} plan
   * @param {import('./publisher.mjs').Publisher} publisher
   * @param {number[]} numbers the last number of each channel; grows
   * @param {(problem: string) => void} onProblem
   */
  constructor(plan, publisher, numbers, onProblem) {
    this.#plan = plan
    this.#publisher = publisher
    this.#numbers = numbers
    this.#onProblem = onProblem
    this.#sentAt = new Float64Array(plan.channels)
    this.#underWay = new Uint8Array(plan.channels)
  }

  /** Publishes until the time is over. @returns {Promise<number>} seconds until the last answer */
  async run() {
    const begun = performance.now()
    this.#ends = begun + this.#plan.seconds * 1000
    const one = (/** @type {number} */ connection) => new Promise((resolve) => this.#publish(connection, () => resolve(undefined)))
    await Promise.all(Array.from({ length: this.#plan.inFlight }, (_, connection) => one(connection)))
    return (performance.now() - begun) / 1000
  }

  /** @param {number} index whose receiver got its next */
  arrive(index) {
    this.arrived++
    this.arrivals.add((performance.now() - (this.#sentAt[index] ?? 0)) * 1000)
  }

  /** @param {number} connection @param {() => void} done */
  #publish(connection, done) {
    const now = performance.now()
    if (now > this.#ends) return done()
    const index = this.#free()
    const number = (this.#numbers[index] ?? 0) + 1
    this.#numbers[index] = number
    this.#sentAt[index] = now
    this.#publisher.publish(connection, this.#plan.path.replace('{n}', String(index)), makePayload(number, this.#plan.bytes), (answer) => {
      this.answers.add((performance.now() - now) * 1000)
      this.answered++
      this.#underWay[index] = 0
      const offset = Number(/"offset":(\d+)/.exec(answer)?.[1])
      if (offset !== number) this.#onProblem(`channel ${index} answered offset ${offset} where ${number} is next: ${answer}`)
      this.#publish(connection, done)
    })
  }

  /** The next channel without a publication under way: two of one channel on two connections have no order. */
  #free() {
    for (;;) {
      const index = this.#turn++ % this.#plan.channels
      if (this.#underWay[index] === 1) continue
      this.#underWay[index] = 1
      return index
    }
  }
}
