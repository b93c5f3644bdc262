import { describe, expect, it, vi } from 'vitest'
import type * as Format from '../../../src/engines/disk/format.ts'
import type * as Recovery from '../../../src/engines/disk/recovery.ts'
import { flipOne, runLives } from './crash-life.ts'

type Sabotage = 'none' | 'behind' | 'unsecured'
const state = vi.hoisted(() => ({ sabotage: 'none' as Sabotage }))

// The rules of recovery, each taken away by itself: the crash states must notice. (Generations and start numbers stand behind the rule that
// seqs follow; `recovery.test.ts` looks at them alone.) Here no frame proves that anything was synced.
vi.mock('../../../src/engines/disk/format.ts', async (original) => {
  const format = await original<typeof Format>()
  const readFrame: typeof format.readFrame = (block, at, end, journal) => {
    const frame = format.readFrame(block, at, end, journal)
    return frame !== undefined && state.sabotage === 'behind' ? { ...frame, synced: { generation: 0, place: 0 } } : frame
  }
  return { ...format, readFrame }
})

// A start that serves what it read without writing and syncing it again.
vi.mock('../../../src/engines/disk/recovery.ts', async (original) => {
  const recovery = await original<typeof Recovery>()
  const secureTail: typeof recovery.secureTail = (files, recovered) => {
    if (state.sabotage !== 'unsecured') return recovery.secureTail(files, recovered)
    const last = recovered.journals.findLast(({ end }) => end > 4096) ?? recovered.journals[0]!
    return { generation: last.row.generation, place: last.end }
  }
  return { ...recovery, secureTail }
})

function findingsOf(sabotage: Sabotage, states: number) {
  state.sabotage = sabotage
  const { lost, invented, refused } = runLives(3, states, true)
  state.sabotage = 'none'
  return { lost, invented, refused }
}

describe('the crash states notice when recovery', { timeout: 60_000 }, () => {
  it('is right: then there is nothing to notice', () => {
    expect(findingsOf('none', 3000)).toEqual({ lost: 0, invented: 0, refused: 0 })
  })

  it('does not secure what it read: it is served, and gone at the next power cut', () => {
    const { lost, invented, refused } = findingsOf('unsecured', 12_000)
    expect(lost + invented + refused).toBeGreaterThan(0)
  })

  it('does not look behind the first frame that does not follow: damage passes for a torn tail', () => {
    state.sabotage = 'behind'
    const missed = Array.from({ length: 100 }, (_, seed) => flipOne(seed)).filter(({ found }) => !found)
    state.sabotage = 'none'
    expect(missed.length).toBeGreaterThan(10)
  })
})
