import { describe, expect, it } from 'vitest'
import { append, drop, Ear, kept, openLab, publish, say, text, textOf, turn } from './lab.ts'
import type { EngineRow } from './row.ts'

/** Promises 1 to 4: order, atomicity, commit first, one feed for all. */
export function orderSuite(row: EngineRow): void {
  describe('order', () => {
    it('gives publications and deletions the next seq, and publications the next offset of their channel', async () => {
      const { engine } = await openLab(row)
      const placed = await append(engine, say('a', '1'), say('b', '2'), drop('a'), say('a', '3'), drop('unknown'), say('b', '4'))
      expect(placed.map(({ channel, seq, offset }) => [channel, seq, offset])).toEqual([
        ['a', 1, 1],
        ['b', 2, 1],
        ['a', 3, 0],
        ['a', 4, 2],
        ['unknown', 5, 0],
        ['b', 6, 2],
      ])
      expect((await engine.head()).seq).toBe(6)
    })

    it('commits appends in the order in which they were called', async () => {
      const { engine } = await openLab(row)
      const values = Array.from({ length: 200 }, (_, index) => String(index))
      const seqs = await publish(engine, 'a', ...values)
      expect(seqs).toEqual(values.map((_, index) => index + 1))
      expect((await kept(engine, 'a')).map(textOf)).toEqual(values)
    })

    it('lets no time decrease, however the clock is set', async () => {
      const { engine, clock } = await openLab(row)
      const times: number[] = []
      for (const jump of [0, 5000, -3_600_000, 10, -1]) {
        clock.jump(jump)
        times.push(...(await append(engine, say('a', 'x'))).map(({ time }) => time))
      }
      expect(times).toEqual(times.toSorted((a, b) => a - b))
      expect((await kept(engine, 'a')).map(({ time }) => time)).toEqual(times)
    })

    it('gives back what it was given: payload, format, type, event and id', async () => {
      const { engine } = await openLab(row)
      const bytes = Uint8Array.from({ length: 65_536 }, (_, index) => index % 251)
      const messages = [
        { data: text('{"n":1e400}'), format: 'json' as const },
        { data: text('a\r\nb\0c\u2028d'), format: 'text' as const, type: 'text/plain; charset=utf-8', event: 'prix ☃', id: 'x/1' },
        { data: bytes, format: 'bytes' as const, type: 'application/octet-stream' },
        { data: new Uint8Array(0), format: 'text' as const },
      ]
      await engine.append({ items: messages.map((message) => ({ kind: 'publication', channel: 'a', message })) })
      const found = await kept(engine, 'a')
      expect(found.map(({ format, type, event, id }) => ({ format, type, event, id }))).toEqual(
        messages.map(({ format, type, event, id }: { format: string; type?: string; event?: string; id?: string }) => ({
          format,
          type,
          event,
          id,
        })),
      )
      expect(found.map(({ data }) => [...data])).toEqual(messages.map(({ data }) => [...data]))
    })
  })

  describe('an append', () => {
    it('is committed in one piece, as neighbours, also among others', async () => {
      const { engine } = await openLab(row)
      const ear = new Ear(engine, 0)
      const batches = Array.from({ length: 40 }, (_, batch) =>
        Array.from({ length: 5 }, (_, item) => say(`c${item % 3}`, `${batch}.${item}`)),
      )
      const answers = await Promise.all(batches.map((items) => append(engine, ...items)))
      await ear.reach(200)
      for (const placed of answers) {
        const first = placed[0]?.seq ?? 0
        expect(placed.map(({ seq }) => seq)).toEqual([0, 1, 2, 3, 4].map((step) => first + step))
        expect(ear.commits.filter(({ from, through }) => from < first && first + 4 <= through)).toHaveLength(1)
      }
    })

    it('leaves nothing behind when it is refused', async () => {
      const { engine } = await openLab(row, { limits: { channels: 2 } })
      await append(engine, say('a', '1'))
      const state = [{ key: 'k', value: text('v'), expires: 0 }]
      const refused = engine.append({ items: [say('a', '2'), say('b', '3'), say('c', '4')], state })
      await expect(refused).rejects.toMatchObject({ code: 'channels-full' })
      expect((await append(engine, say('b', '5'))).map(({ seq, offset }) => [seq, offset])).toEqual([[2, 1]])
      expect((await kept(engine, 'a')).map(textOf)).toEqual(['1'])
      expect(await engine.getState('k')).toBeUndefined()
    })

    it('is answered only when a read gives it, and told only then', async () => {
      const { engine } = await openLab(row)
      const early: Promise<number>[] = []
      const end = engine.follow(0, ({ from, through }) => early.push(kept(engine, 'a', from, through).then((found) => found.length)))
      for (let count = 1; count <= 20; count++) {
        const [placed] = await append(engine, say('a', String(count)))
        const found = await engine.read('a', (placed?.seq ?? 0) - 1, placed?.seq ?? 0)
        expect(found.publications.map(textOf)).toEqual([String(count)])
      }
      await turn()
      end()
      expect((await Promise.all(early)).reduce((sum, count) => sum + count, 0)).toBe(20)
    })
  })

  describe('following', () => {
    it('tells every commit once, without a hole, the same to all', async () => {
      const { engine } = await openLab(row)
      const ears = [new Ear(engine, 0), new Ear(engine, 0)]
      const items = Array.from({ length: 60 }, (_, index) => (index % 7 === 6 ? drop('c1') : say(`c${index % 4}`, String(index))))
      for (const item of items) void append(engine, item)
      await append(engine, say('c0', 'last'))
      for (const ear of ears) await ear.reach(61)
      expect(ears[0]?.commits).toEqual(ears[1]?.commits)
      let place = 0
      for (const { from, through, publications, deletions } of ears[0]?.commits ?? []) {
        expect(from).toBe(place)
        const seqs = [...publications, ...deletions].map(({ seq }) => seq).sort((a, b) => a - b)
        expect(seqs).toEqual(Array.from({ length: through - from }, (_, step) => from + 1 + step))
        place = through
      }
      expect(place).toBe(61)
    })

    it('begins after the place that was asked for, in the middle of a commit too', async () => {
      const { engine } = await openLab(row)
      await append(engine, say('a', '1'), say('a', '2'), say('b', '3'), drop('b'), say('a', '5'))
      const ear = new Ear(engine, 2)
      expect(ear.commits).toEqual([])
      await append(engine, say('a', '6'))
      await ear.reach(6)
      expect(ear.commits[0]?.from).toBe(2)
      expect(ear.publications.filter(({ channel }) => channel === 'a').map(textOf)).toEqual(['5', '6'])
      expect(ear.commits.flatMap(({ deletions }) => deletions)).toMatchObject([{ channel: 'b', seq: 4 }])
    })

    it('tells what lies behind before what is new, all of it in order', async () => {
      const { engine } = await openLab(row, { keep: { publications: null } })
      await append(engine, ...Array.from({ length: 3000 }, (_, index) => say('a', String(index))))
      const [ear, ended] = [new Ear(engine, 10), new Ear(engine, 10)]
      const fresh = append(engine, say('a', 'new'))
      ended.end()
      await fresh
      await ear.reach(3001)
      expect(ear.publications.map(({ seq }) => seq)).toEqual(Array.from({ length: 2991 }, (_, index) => index + 11))
      expect(ended.commits).toEqual([])
    })

    it('ends when it is ended, and twice is once', async () => {
      const { engine } = await openLab(row)
      const [ended, other] = [new Ear(engine, 0), new Ear(engine, 0)]
      ended.end()
      ended.end()
      await append(engine, say('a', '1'))
      await other.reach(1)
      expect(ended.commits).toEqual([])
    })

    it('refuses a place that the store has not reached', async () => {
      const { engine } = await openLab(row)
      await append(engine, say('a', '1'))
      expect(() => engine.follow(2, () => {})).toThrow(RangeError)
    })
  })
}
