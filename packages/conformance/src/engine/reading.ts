import { describe, expect, it } from 'vitest'
import { append, drop, kept, openLab, pages, publish, say, textOf } from './lab.ts'
import type { EngineRow } from './row.ts'

/** Promise 5: pages, facts, places. */
export function readingSuite(row: EngineRow): void {
  describe('a page', () => {
    it('holds all that is kept between its ends and nothing else, whichever ends are asked for', async () => {
      const { engine } = await openLab(row)
      for (let index = 0; index < 30; index++) await append(engine, say(index % 3 === 0 ? 'a' : 'b', String(index)))
      for (let after = 0; after <= 30; after += 4) {
        for (let through = after; through <= 30; through += 3) {
          const page = await engine.read('a', after, through)
          expect(page.channel).toBe('a')
          expect(page.from).toBeLessThanOrEqual(after)
          expect(page.through).toBe(through)
          const expected = Array.from({ length: 30 }, (_, index) => index + 1).filter(
            (seq) => (seq - 1) % 3 === 0 && seq > page.from && seq <= through,
          )
          expect(page.publications.map(({ seq }) => seq)).toEqual(expected)
        }
      }
    })

    it('has at most 128 publications, and the next goes on where it ended', async () => {
      const { engine } = await openLab(row)
      const values = Array.from({ length: 500 }, (_, index) => String(index))
      await publish(engine, 'a', ...values)
      const found = await pages(engine, 'a')
      expect(Math.max(...found.map(({ publications }) => publications.length))).toBeLessThanOrEqual(128)
      expect(found.length).toBeLessThan(50)
      expect(found.flatMap(({ publications }) => publications).map(textOf)).toEqual(values)
    })

    it('has at most 256 KiB, but a publication that is there', async () => {
      const { engine } = await openLab(row)
      const values = [60_000, 60_000, 60_000, 60_000, 60_000, 60_000, 300_000, 10, 10].map((size, index) => String(index).repeat(size))
      await publish(engine, 'a', ...values)
      const found = await pages(engine, 'a')
      for (const { publications } of found) {
        const bytes = publications.reduce((sum, { data }) => sum + data.length, 0)
        expect(bytes <= 262_144 || publications.length === 1).toBe(true)
      }
      expect(found.flatMap(({ publications }) => publications).map(textOf)).toEqual(values)
    })

    it('is the same whoever asks and however many at once', async () => {
      const { engine } = await openLab(row)
      await publish(engine, 'a', ...Array.from({ length: 300 }, (_, index) => String(index)))
      const asked = Array.from({ length: 40 }, (_, index) => index * 7)
      const answers = await Promise.all(asked.map((after) => engine.read('a', after, 300)))
      answers.forEach((page, index) => {
        expect(page.publications.find(({ seq }) => seq > (asked[index] ?? 0))?.seq).toBe((asked[index] ?? 0) + 1)
      })
    })
  })

  describe('an unknown channel', () => {
    it('is answered everywhere, and asking creates nothing', async () => {
      const { engine } = await openLab(row)
      await append(engine, say('a', '1'), say('a', '2'))
      const facts = { trimmed: { seq: 0, offset: 0 }, deletedAt: 0, lastSeq: 0, lastOffset: 0, count: 0, bytes: 0 }
      expect(await engine.facts('nobody')).toEqual(facts)
      expect(await engine.read('nobody', 0, 2)).toEqual({ channel: 'nobody', from: 0, through: 2, publications: [], facts })
      expect(await engine.newest('nobody', 0, 2)).toBe(0)
      expect(await engine.newest('nobody', 10, 2)).toBe(0)
      expect(await engine.channels('', '', 10)).toEqual(['a'])
      expect(engine.stats().channels).toBe(1)
    })
  })

  describe('facts', () => {
    it('count what is kept, and know the newest publication and deletion ever', async () => {
      const { engine } = await openLab(row)
      await append(engine, say('a', '12345'), say('b', 'x'), say('a', '678'))
      expect(await engine.facts('a')).toEqual({
        trimmed: { seq: 0, offset: 0 },
        deletedAt: 0,
        lastSeq: 3,
        lastOffset: 2,
        count: 2,
        bytes: 8,
      })
      await append(engine, drop('a'))
      expect(await engine.facts('a')).toEqual({
        trimmed: { seq: 0, offset: 0 },
        deletedAt: 4,
        lastSeq: 3,
        lastOffset: 2,
        count: 0,
        bytes: 0,
      })
      expect(await kept(engine, 'a')).toEqual([])
      await append(engine, say('a', '9'))
      expect(await engine.facts('a')).toEqual({
        trimmed: { seq: 0, offset: 0 },
        deletedAt: 4,
        lastSeq: 5,
        lastOffset: 3,
        count: 1,
        bytes: 1,
      })
    })

    it('come with every page, as new as the page', async () => {
      const { engine } = await openLab(row, { keep: { publications: 2 } })
      await publish(engine, 'a', '1', '2', '3', '4', '5')
      const page = await engine.read('a', 0, 5)
      expect(page.publications.map(({ seq }) => seq)).toEqual([4, 5])
      expect(page.facts).toEqual({ trimmed: { seq: 3, offset: 3 }, deletedAt: 0, lastSeq: 5, lastOffset: 5, count: 2, bytes: 2 })
      expect(await engine.facts('a')).toEqual(page.facts)
    })
  })

  describe('newest', () => {
    it('is the place before so many kept publications: a read from there gives just them', async () => {
      const { engine } = await openLab(row, { keep: { publications: 20 } })
      for (let index = 0; index < 60; index++) await append(engine, say(index % 2 === 0 ? 'a' : 'b', String(index)))
      for (const count of [1, 2, 7, 19, 20, 21, 500]) {
        for (const through of [60, 59, 58, 41]) {
          const before = await engine.newest('a', count, through)
          const expected = (await kept(engine, 'a', 0, through)).slice(-count)
          expect((await kept(engine, 'a', before, through)).map(textOf)).toEqual(expected.map(textOf))
          expect(before).toBeGreaterThanOrEqual((await engine.facts('a')).trimmed.seq)
        }
      }
    })

    it('with count 0 is the place of the newest entry, a deletion too, not beyond the asking feed', async () => {
      const { engine } = await openLab(row)
      await append(engine, say('a', '1'), say('b', '2'), say('a', '3'), say('b', '4'))
      expect(await engine.newest('a', 0, 4)).toBe(3)
      expect(await engine.newest('a', 0, 2)).toBe(1)
      await append(engine, drop('a'), say('b', '6'))
      expect(await engine.newest('a', 0, 6)).toBe(5)
      expect(await engine.newest('a', 5, 6)).toBe(5)
      expect(await engine.newest('a', 0, 4)).toBeLessThanOrEqual(4)
    })
  })

  describe('the list of channels', () => {
    it('is sorted, begins with the prefix, and goes on after a name', async () => {
      const { engine } = await openLab(row)
      await append(engine, ...['quotes/b', 'news', 'quotes/a', 'quotes', 'quotes/c', 'zoo'].map((name) => say(name, 'x')))
      expect(await engine.channels('', '', 100)).toEqual(['news', 'quotes', 'quotes/a', 'quotes/b', 'quotes/c', 'zoo'])
      expect(await engine.channels('quotes/', '', 2)).toEqual(['quotes/a', 'quotes/b'])
      expect(await engine.channels('quotes/', 'quotes/b', 2)).toEqual(['quotes/c'])
      expect(await engine.channels('nothing', '', 10)).toEqual([])
    })
  })
}
