import { describe, expect, it } from 'vitest'
import { append, drop, kept, openLab, publish, say, turn } from './lab.ts'
import type { EngineRow } from './row.ts'

/** Promise 8: what can grow has its limit and its error. */
export function limitsSuite(row: EngineRow): void {
  describe('limits', () => {
    it('refuse one channel too many, and others go on', async () => {
      const { engine } = await openLab(row, { limits: { channels: 3 } })
      await append(engine, say('a', '1'), say('b', '2'), say('c', '3'))
      await expect(append(engine, say('d', '4'))).rejects.toMatchObject({ code: 'channels-full', status: 507 })
      expect(await append(engine, say('c', '5'), say('c', '6'), drop('a'))).toMatchObject([{ seq: 4 }, { seq: 5 }, { seq: 6 }])
      expect(engine.stats().channels).toBe(3)
    })

    it('refuse what waits beyond its bytes; what was accepted is committed, and there is room again afterwards', async () => {
      const { engine } = await openLab(row, { limits: { commitWaitingBytes: 20_000 } })
      const answers = await Promise.allSettled(Array.from({ length: 50 }, () => append(engine, say('a', 'x'.repeat(1000)))))
      const refused = answers.filter((answer) => answer.status === 'rejected')
      expect(refused.length).toBeGreaterThan(20)
      expect(refused.length).toBeLessThan(50)
      for (const { reason } of refused) expect(reason).toMatchObject({ code: 'overloaded', status: 503 })
      expect(await kept(engine, 'a')).toHaveLength(50 - refused.length)
      await turn()
      expect(engine.stats().waitingBytes).toBe(0)
      await publish(engine, 'a', 'again')
    })
  })

  describe('figures', () => {
    it('count channels, kept publications and keys', async () => {
      const { engine, clock } = await openLab(row, { keep: { publications: 2 } })
      await publish(engine, 'a', '1', '2', '3')
      await append(engine, say('b', 'x', { key: 'k', expires: clock.now() + 1000 }))
      const stats = engine.stats()
      expect(stats).toMatchObject({ channels: 2, publications: 3, idempotencyKeys: 1, waitingBytes: 0, failed: false })
      expect(stats.bytes).toBeGreaterThan(0)
    })
  })
}
