import { describe, expect, it } from 'vitest'
import { append, drop, eventually, kept, openLab, placedOf, say, text, textOf, turn } from './lab.ts'
import type { EngineRow } from './row.ts'

const window = 300_000

/** Keys that make an append happen once, and keyed state in the same commits. Promise 2. */
export function onceSuite(row: EngineRow): void {
  describe('a key', () => {
    it('gives a repeat the first answer, and appends nothing', async () => {
      const { engine, clock } = await openLab(row)
      const item = say('a', 'x', { key: 'k', expires: clock.now() + window })
      const [first] = await append(engine, item)
      clock.advance(1000)
      await append(engine, say('a', 'between'))
      expect(await append(engine, item)).toEqual([{ ...first, replayed: true }])
      expect((await kept(engine, 'a')).map(textOf)).toEqual(['x', 'between'])
      expect((await engine.head()).seq).toBe(2)
    })

    it('lets one of many at once through; the others wait for its answer', async () => {
      const { engine, clock } = await openLab(row)
      const expires = clock.now() + window
      const answers: Promise<readonly { seq: number; replayed: boolean }[]>[] = []
      for (let round = 0; round < 5; round++) {
        for (let count = 0; count < 20; count++) answers.push(append(engine, say('a', `x${count % 4}`, { key: `k${count % 4}`, expires })))
        if (round % 2 === 0) await turn()
      }
      const placed = (await Promise.all(answers)).flat()
      expect(placed.filter(({ replayed }) => !replayed)).toHaveLength(4)
      expect(new Set(placed.map(({ seq }) => seq)).size).toBe(4)
      expect((await kept(engine, 'a')).map(textOf)).toEqual(['x0', 'x1', 'x2', 'x3'])
    })

    it('that was used for something else is a conflict, and nothing of the request is appended', async () => {
      const { engine, clock } = await openLab(row)
      const expires = clock.now() + window
      await append(engine, say('a', 'x', { key: 'k', expires }))
      const other = engine.append({
        items: [say('a', 'fresh'), say('b', 'y', { key: 'k', expires })],
        state: [{ key: 's', value: text('1'), expires: 0 }],
      })
      expect(await other).toEqual({ kind: 'conflict', index: 1 })
      const within = engine.append({ items: [say('a', '1', { key: 'n', expires }), say('a', '2', { key: 'n', expires })] })
      expect(await within).toEqual({ kind: 'conflict', index: 1 })
      expect((await engine.head()).seq).toBe(1)
      expect(await engine.getState('s')).toBeUndefined()
    })

    it('of one item repeats that item alone', async () => {
      const { engine, clock } = await openLab(row)
      const keyed = say('a', 'x', { key: 'k', expires: clock.now() + window })
      const [first] = await append(engine, keyed)
      const placed = await append(engine, say('a', 'new'), keyed, say('b', 'newer'))
      expect(placed.map(({ seq, replayed }) => [seq, replayed])).toEqual([
        [2, false],
        [first?.seq, true],
        [3, false],
      ])
    })

    it('given twice in one request counts once', async () => {
      const { engine, clock } = await openLab(row)
      const keyed = say('a', 'x', { key: 'k', expires: clock.now() + window })
      const placed = await append(engine, keyed, keyed)
      expect(placed.map(({ seq, replayed }) => [seq, replayed])).toEqual([
        [1, false],
        [1, true],
      ])
      expect(await kept(engine, 'a')).toHaveLength(1)
    })

    it('of the whole request repeats all its answers, and conflicts as a whole', async () => {
      const { engine, clock } = await openLab(row)
      const once = { key: 'all', print: 'p', expires: clock.now() + window }
      const items = [say('a', '1'), drop('b'), say('b', '2')]
      const first = placedOf(await engine.append({ items, once }))
      const [again, other] = await Promise.all([engine.append({ items, once }), engine.append({ items, once: { ...once, print: 'q' } })])
      expect(placedOf(again)).toEqual(first.map((placed) => ({ ...placed, replayed: true })))
      expect(other).toEqual({ kind: 'conflict', index: -1 })
      expect((await engine.head()).seq).toBe(3)
    })

    it('is a new one after its window', async () => {
      const { engine, clock } = await openLab(row)
      await append(engine, say('a', 'x', { key: 'k', expires: clock.now() + window }))
      clock.jump(window)
      const renewed = say('a', 'y', { key: 'k', expires: clock.now() + window })
      expect(await append(engine, renewed)).toMatchObject([{ seq: 2, replayed: false }])
      clock.advance(5000)
      expect(await append(engine, renewed)).toMatchObject([{ seq: 2, replayed: true }])
    })

    it('of an append that was refused was never used', async () => {
      const { engine, clock } = await openLab(row, { limits: { channels: 1 } })
      const expires = clock.now() + window
      await append(engine, say('a', 'x'))
      const refused = engine.append({ items: [say('a', 'y', { key: 'k', expires }), say('b', 'y')] })
      await expect(refused).rejects.toMatchObject({ code: 'channels-full' })
      expect(await append(engine, say('a', 'z', { key: 'k', expires }))).toMatchObject([{ seq: 2, replayed: false }])
    })

    it('finds room or is refused, never a shorter window; without a key one still publishes', async () => {
      const { engine, clock } = await openLab(row, { limits: { idempotencyKeys: 3 } })
      const keyed = (key: string) => say('a', key, { key, expires: clock.now() + window })
      const [first] = await append(engine, keyed('1'))
      await append(engine, keyed('2'), keyed('3'))
      await expect(append(engine, keyed('4'))).rejects.toMatchObject({ code: 'idempotency-full' })
      expect(await append(engine, say('a', 'x'))).toMatchObject([{ seq: 4 }])
      expect(await append(engine, keyed('1'))).toEqual([{ ...first, replayed: true }])
      clock.jump(window)
      expect(await append(engine, keyed('4'))).toMatchObject([{ seq: 5, replayed: false }])
      await eventually(clock, async () => engine.stats().idempotencyKeys === 1)
    })
  })

  describe('state', () => {
    it('is there with the append that brought it, takes no seq, and leaves when it is removed', async () => {
      const { engine } = await openLab(row)
      await engine.append({ items: [say('a', '1')], state: [{ key: 'k', value: text('v1'), expires: 0 }] })
      expect(await engine.getState('k')).toEqual(text('v1'))
      expect(await engine.getState('other')).toBeUndefined()
      await engine.append({ items: [say('a', '2')], state: [{ key: 'k', value: text('v2'), expires: 0 }] })
      expect(await engine.getState('k')).toEqual(text('v2'))
      await engine.append({ items: [say('a', '3')], state: [{ key: 'k', value: null, expires: 0 }] })
      expect(await engine.getState('k')).toBeUndefined()
      expect((await engine.head()).seq).toBe(3)
    })

    it('is gone when it has expired', async () => {
      const { engine, clock } = await openLab(row)
      const state = [
        { key: 'short', value: text('s'), expires: clock.now() + 1000 },
        { key: 'long', value: text('l'), expires: clock.now() + 5000 },
        { key: 'ever', value: text('e'), expires: 0 },
      ]
      await engine.append({ items: [say('a', '1')], state })
      clock.jump(1000)
      expect(await engine.getState('short')).toBeUndefined()
      expect(await engine.getState('long')).toEqual(text('l'))
      clock.advance(100_000)
      expect(await engine.getState('long')).toBeUndefined()
      expect(await engine.getState('ever')).toEqual(text('e'))
    })

    it('that is put again lives as long as it was last said', async () => {
      const { engine, clock } = await openLab(row)
      const put = (value: string, ms: number) =>
        engine.append({ items: [say('a', value)], state: [{ key: 'k', value: text(value), expires: clock.now() + ms }] })
      await put('first', 1000)
      await put('second', 20_000)
      clock.advance(10_000)
      expect(await engine.getState('k')).toEqual(text('second'))
      await put('third', 1000)
      clock.advance(1000)
      expect(await engine.getState('k')).toBeUndefined()
    })
  })
}
