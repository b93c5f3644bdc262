import { describe, expect, it } from 'vitest'
import { flipOne, runLives } from './crash-life.ts'

// FANFARE_CRASH_STATES=1000000 for the long run, FANFARE_CRASH_SEED for another one.
const states = Number(process.env['FANFARE_CRASH_STATES'] ?? 100_000)
const seed = Number(process.env['FANFARE_CRASH_SEED'] ?? 1)

describe('after a power cut, a kill or a failed sync', () => {
  it(
    `nothing that was answered is lost, nothing is invented, and no start is refused (${states} states)`,
    { timeout: 60_000 + states * 10 },
    () => {
      const { states: seen, ...found } = runLives(seed, states)
      expect(found).toEqual({ lost: 0, invented: 0, refused: 0, first: undefined })
      expect(seen).toBeGreaterThanOrEqual(states)
    },
  )

  it('a byte that was changed in a synced frame is found', () => {
    const missed = Array.from({ length: 500 }, (_, seed) => flipOne(seed)).filter(({ found }) => !found)
    expect(missed).toEqual([])
  })
})
