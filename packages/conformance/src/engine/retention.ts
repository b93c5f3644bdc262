import { describe, expect, it } from 'vitest'
import { append, drop, eventually, fill, kept, openLab, publish, say, textOf } from './lab.ts'
import type { EngineRow } from './row.ts'

const day = 24 * 3_600_000

/** What rules keep, and what is remembered of what they don't. Promise 6. */
export function retentionSuite(row: EngineRow): void {
  describe('retention', () => {
    it('keeps the newest so many, and says through where it trimmed', async () => {
      const { engine } = await openLab(row, { keep: { publications: 3 } })
      await publish(engine, 'a', '1', '2', '3')
      expect((await engine.facts('a')).trimmed).toEqual({ seq: 0, offset: 0 })
      await publish(engine, 'b', 'x')
      await publish(engine, 'a', '4', '5')
      expect((await kept(engine, 'a')).map(textOf)).toEqual(['3', '4', '5'])
      expect(await engine.facts('a')).toMatchObject({ trimmed: { seq: 2, offset: 2 }, count: 3, bytes: 3 })
      expect((await kept(engine, 'b')).map(textOf)).toEqual(['x'])
    })

    it('keeps the newest so many bytes of payload', async () => {
      const { engine } = await openLab(row, { keep: { bytes: 10 } })
      await publish(engine, 'a', '1111', '2222', '33')
      expect((await kept(engine, 'a')).map(textOf)).toEqual(['1111', '2222', '33'])
      await publish(engine, 'a', '4')
      expect((await kept(engine, 'a')).map(textOf)).toEqual(['2222', '33', '4'])
      expect((await engine.facts('a')).bytes).toBe(7)
    })

    it('lets go of what is older than its age, of nothing younger', async () => {
      const { engine, clock } = await openLab(row, { keep: { ageMs: 600_000 } })
      await publish(engine, 'a', 'old', 'old too')
      clock.advance(400_000)
      await publish(engine, 'a', 'young')
      await eventually(clock, async () => (await kept(engine, 'a')).length === 1)
      expect((await kept(engine, 'a')).map(textOf)).toEqual(['young'])
      expect(await engine.facts('a')).toMatchObject({ trimmed: { seq: 2, offset: 2 }, lastSeq: 3, count: 1 })
    })

    it('lifts a limit that is null', async () => {
      const { engine, clock } = await openLab(row, { keep: { publications: null, ageMs: null, bytes: null } })
      const values = Array.from({ length: 1000 }, (_, index) => String(index))
      await publish(engine, 'a', ...values)
      clock.advance(30 * day)
      expect((await kept(engine, 'a')).map(textOf)).toEqual(values)
    })

    it('goes by the first rule that matches', async () => {
      const rule = (match: string, publications: number) => ({
        match,
        keep: { publications, ageMs: null, bytes: null },
        payloadBytes: 1000,
        public: false,
      })
      const { engine } = await openLab(row, { rules: [rule('quotes/**', 1), rule('*', 2), rule('**', 3)] })
      for (const channel of ['quotes/a', 'news', 'news/local']) await publish(engine, channel, '1', '2', '3', '4')
      const counts = await Promise.all(['quotes/a', 'news', 'news/local'].map(async (channel) => (await engine.facts(channel)).count))
      expect(counts).toEqual([1, 2, 3])
    })

    it('starts offsets never anew, whatever is trimmed or deleted', async () => {
      const { engine } = await openLab(row, { keep: { publications: 1 } })
      await publish(engine, 'a', '1', '2')
      await append(engine, drop('a'))
      await append(engine, drop('a'))
      expect(await append(engine, say('a', '3'))).toMatchObject([{ offset: 3, seq: 5 }])
      expect(await engine.facts('a')).toMatchObject({ deletedAt: 4, lastOffset: 3, count: 1 })
    })
  })

  describe('a channel of which nothing is kept', () => {
    it('is forgotten after its time: its name begins anew, and older places are told that something was trimmed', async () => {
      const { engine, clock } = await openLab(row, { limits: { channelForgetMs: 7 * day }, keep: { publications: 10 } })
      await publish(engine, 'gone', '1', '2')
      const [{ seq } = { seq: 0 }] = await append(engine, drop('gone'))
      await fill(engine, 'stays')
      clock.advance(6 * day)
      const [head = 0] = await publish(engine, 'stays', 'y')
      expect(await engine.channels('', '', 10)).toEqual(['gone', 'stays'])
      clock.advance(day)
      await eventually(clock, async () => (await engine.channels('', '', 10)).length === 1)
      expect(await engine.facts('gone')).toMatchObject({ trimmed: { seq, offset: null }, lastSeq: 0, lastOffset: 0, count: 0 })
      expect(await engine.newest('gone', 0, head)).toBe(seq)
      expect((await engine.read('gone', 0, head)).facts.trimmed).toEqual({ seq, offset: null })
      expect(await append(engine, say('gone', 'again'))).toMatchObject([{ offset: 1, seq: head + 1 }])
      expect((await engine.facts('gone')).trimmed).toEqual({ seq, offset: null })
      expect((await kept(engine, 'gone')).map(textOf)).toEqual(['again'])
    })

    it('makes room for another', async () => {
      const { engine, clock } = await openLab(row, { limits: { channelForgetMs: day, channels: 2 }, keep: { ageMs: day } })
      await publish(engine, 'first', 'x')
      await fill(engine, 'other')
      await expect(append(engine, say('second', 'x'))).rejects.toMatchObject({ code: 'channels-full' })
      clock.advance(2 * day)
      await eventually(clock, async () => (await engine.facts('first')).count === 0)
      clock.advance(day)
      await eventually(clock, async () => engine.stats().channels === 0)
      expect(await append(engine, say('second', 'x'))).toMatchObject([{ offset: 1 }])
    })
  })
}
