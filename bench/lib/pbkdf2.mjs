import { pbkdf2 } from 'node:crypto'

/**
 * Keeps so many key derivations queued in Node's thread pool, about 50 ms each; four run at once.
 * @param {number} count
 * @returns {() => Promise<void>} ends it, and waits for those under way
 */
export function keepQueued(count) {
  const state = { going: true }
  const one = async () => {
    while (state.going) await new Promise((resolve) => pbkdf2('secret', 'salt', 100_000, 64, 'sha512', resolve))
  }
  const all = Promise.all(Array.from({ length: count }, one))
  return async () => {
    state.going = false
    await all
  }
}
