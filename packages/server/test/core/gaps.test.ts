import { describe, expect, it } from 'vitest'
import { decideGap, missedBetween, toNewest } from '../../src/core/gaps.ts'
import type { Ground } from '../../src/core/gaps.ts'

const whole: Ground = { deletedAt: 0, deletedOffset: null, trimmedSeq: 0, trimmedOffset: null, lastSeq: 90, lastOffset: 9 }

describe('a gap is decided', () => {
  it('only where something after the place is lost', () => {
    expect(decideGap(30, undefined, whole)).toBeUndefined()
    expect(decideGap(30, undefined, { ...whole, trimmedSeq: 30, trimmedOffset: 3 })).toBeUndefined()
    expect(decideGap(30, undefined, { ...whole, deletedAt: 30, deletedOffset: 3 })).toBeUndefined()
    expect(decideGap(30, undefined, { ...whole, trimmedSeq: 40, trimmedOffset: 4 })).toEqual({ reason: 'trimmed', at: 40, offset: 4 })
  })

  it('by the first reason that applies: another store, another history, deleted, trimmed', () => {
    const lost = { ...whole, deletedAt: 50, deletedOffset: 5, trimmedSeq: 60, trimmedOffset: 6 }
    expect(decideGap(10, { reason: 'new-log' }, lost)?.reason).toBe('new-log')
    expect(decideGap(10, { reason: 'diverged', common: 20 }, lost)?.reason).toBe('diverged')
    expect(decideGap(10, undefined, lost)?.reason).toBe('deleted')
    expect(decideGap(55, undefined, lost)?.reason).toBe('trimmed')
  })

  it('so that the channel goes on from the oldest that is kept, or from the last common place if that is later', () => {
    const lost = { ...whole, deletedAt: 50, deletedOffset: 5, trimmedSeq: 60, trimmedOffset: 6 }
    for (const broken of [undefined, { reason: 'new-log' }, { reason: 'diverged', common: null }] as const)
      expect(decideGap(10, broken, lost)?.at).toBe(60)
    expect(decideGap(70, { reason: 'diverged', common: 65 }, lost)?.at).toBe(65)
  })

  it('with a count where both offsets are known, and only there', () => {
    const trimmed = decideGap(30, undefined, { ...whole, trimmedSeq: 40, trimmedOffset: 4 })
    const forgotten = decideGap(30, undefined, { ...whole, trimmedSeq: 40 })
    const deleted = decideGap(30, undefined, { ...whole, deletedAt: 95 })
    expect([trimmed, forgotten, deleted].map((gap) => gap && missedBetween(3, gap))).toEqual([1, null, 6])
    expect(trimmed && missedBetween(null, trimmed)).toBeNull()
  })

  it('to the newest where that was asked for, but not beyond the feed', () => {
    const ground = { ...whole, trimmedSeq: 40, trimmedOffset: 4 }
    const gap = decideGap(30, undefined, ground)
    expect(gap && toNewest(gap, ground, 100)).toEqual({ reason: 'trimmed', at: 90, offset: 9 })
    expect(gap && toNewest(gap, ground, 80)).toEqual({ reason: 'trimmed', at: 80, offset: null })
  })
})
