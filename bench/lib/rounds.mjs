import { spreadOf } from './statistics.mjs'

/**
 * Measurements of several variants, taken in turn in each round, so that what disturbs the machine disturbs all of them alike.
 * Ratios are only taken inside a round.
 * @template T
 */
export class Rounds {
  /** @type {Map<string, T>[]} */
  #rounds = []
  leftOut = 0

  /**
   * @param {object} options
   * @param {number} options.rounds
   * @param {(text: string) => void} options.say
   * @param {ReadonlyMap<string, () => Promise<T>>} options.variants
   * @param {(result: T) => string} [options.describe]
   * @param {(result: T) => boolean} [options.counts] false where the machine was too busy for the case: the round is left out and another one made, twice as many at most
   */
  async run({ rounds, say, variants, describe, counts = () => true }) {
    const names = [...variants.keys()]
    for (let round = 0; round < rounds * 2 && this.#rounds.length < rounds; round++) {
      /** @type {Map<string, T>} */
      const results = new Map()
      // Each round begins with another variant: nobody is always the one who follows the noisiest.
      for (let i = 0; i < names.length; i++) {
        const name = names[(i + round) % names.length] ?? ''
        const result = await variants.get(name)?.()
        if (result === undefined) throw new Error(`no variant ${name}`)
        results.set(name, result)
        say(`round ${round + 1}/${rounds}  ${name}: ${describe === undefined ? JSON.stringify(result) : describe(result)}`)
      }
      if ([...results.values()].every(counts)) this.#rounds.push(results)
      else this.leftOut++
    }
    return this
  }

  /** @param {string} name @param {(result: T) => number} value */
  spread(name, value) {
    return spreadOf(this.#rounds.flatMap((round) => (round.has(name) ? [value(/** @type {T} */ (round.get(name)))] : [])))
  }

  /** The ratio of one variant to another in each round. @param {string} name @param {string} to @param {(result: T) => number} value */
  ratio(name, to, value) {
    return spreadOf(this.#rounds.map((round) => value(/** @type {T} */ (round.get(name))) / value(/** @type {T} */ (round.get(to)))))
  }

  /** What one variant has more than another in each round. @param {string} name @param {string} than @param {(result: T) => number} value */
  beyond(name, than, value) {
    return spreadOf(this.#rounds.map((round) => value(/** @type {T} */ (round.get(name))) - value(/** @type {T} */ (round.get(than)))))
  }

  /** Everything, for the file of raw results. */
  raw() {
    return this.#rounds.map((round) => Object.fromEntries(round))
  }
}
