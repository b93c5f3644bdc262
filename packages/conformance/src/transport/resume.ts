import { describe, expect, it } from 'vitest'
import type { ReceiverRow } from '../receivers/receiver.ts'
import type { Bed } from './bed.ts'
import { freshChannel } from './publisher.ts'
import { countTo } from './taker.ts'

/** Two rows a transport that prove all pairs, and all pairs besides (CONTRACT sections 1, 4 and 5). */
export function resumeSuite(bed: Bed, receivers: readonly ReceiverRow[]): void {
  const carriers = receivers.filter(({ carriesCursor }) => carriesCursor)

  describe.each(carriers)('$name', (row) => {
    it.concurrent('gives the token of the place, the same as everybody', async () => {
      const channel = freshChannel()
      const taker = bed.take(row, { channels: [channel], since: 'earliest' })
      const published = await bed.publisher.count(() => channel, 1, 10)
      await taker.publicationCount(10)
      expect(taker.publications.map(({ cursor }) => cursor)).toEqual(published.map(({ cursor }) => cursor))
      expect(await bed.publisher.head(channel)).toEqual({ cursor: published.at(-1)?.cursor, count: 10 })
      const late = await bed.take(row, { channels: [channel], since: 'earliest' }).publicationCount(10)
      expect(late.publications.map(({ cursor }) => cursor)).toEqual(published.map(({ cursor }) => cursor))
    })

    it.concurrent('begins with a cursor, so that one that got nothing goes on from there', async () => {
      const channel = freshChannel()
      await bed.told(() => channel, 1, 3)
      const first = await bed.take(row, { channels: [channel] }).opened()
      first.cut()
      expect(first.numbers()).toEqual([])
      await bed.publisher.count(() => channel, 4, 8)
      const second = await bed.take(row, first.resume).publicationCount(5)
      expect(second.numbers()).toEqual(countTo(8, 4))
      expect(second.gaps).toEqual([])
    })
  })

  describe.each(receivers)('$name', (row) => {
    it.concurrent('continues rightly from any token while publishing goes on', async () => {
      const channel = freshChannel()
      const published = await bed.publisher.count(() => channel, 1, 30)
      const going = bed.publisher.count(() => channel, 31, 60)
      const takers = published.map(({ cursor }) => bed.take(row, { channels: [channel], since: cursor }))
      for (const [index, taker] of takers.entries()) {
        await taker.publicationCount(59 - index)
        expect(taker.numbers()).toEqual(countTo(60, index + 2))
        expect(taker.gaps).toEqual([])
        taker.cut()
      }
      await going
    })

    it.concurrent('begins where it was told to: earliest, the newest so many, latest', async () => {
      const channel = freshChannel()
      await bed.told(() => channel, 1, 20)
      const earliest = bed.take(row, { channels: [channel], since: 'earliest' })
      const newest = bed.take(row, { channels: [channel], last: 5 })
      const latest = bed.take(row, { channels: [channel], since: 'latest' })
      expect((await earliest.publicationCount(20)).numbers()).toEqual(countTo(20))
      expect((await newest.publicationCount(5)).numbers()).toEqual(countTo(20, 16))
      if (row.carriesCursor) await latest.opened()
      expect(latest.numbers()).toEqual([])
      for (const taker of [earliest, newest, latest]) taker.cut()
    })

    it.concurrent('gives what is published after it began, in order, once, also when much comes at once', async () => {
      const channel = freshChannel()
      const taker = bed.take(row, { channels: [channel], since: 'earliest' })
      await bed.publisher.count(() => channel, 1, 1)
      await taker.publicationCount(1)
      await Promise.all(countTo(100).map((n) => bed.publisher.publish(channel, JSON.stringify({ n: n + 1 }))))
      await taker.publicationCount(101)
      expect(taker.numbers().toSorted((a, b) => a - b)).toEqual(countTo(101))
      expect(taker.publications.map(({ offset }) => offset)).toEqual(
        countTo(101).map((offset) => (row.carriesEnvelope ? offset : undefined)),
      )
    })
  })

  describe('receive over one, cut, resume over the other', () => {
    const pairs = carriers.flatMap((from) => receivers.map((to) => ({ from, to })))
    it.concurrent.each(pairs)('$from.name, then $to.name', async ({ from, to }) => {
      const channel = freshChannel()
      const going = bed.publisher.count(() => channel, 1, 60)
      const first = bed.take(from, { channels: [channel], since: 'earliest' })
      await first.publicationCount(20)
      first.cut()
      const { cursor } = first
      const taken = first.numbers().length
      const second = bed.take(to, { channels: [channel], since: cursor })
      await second.publicationCount(60 - taken)
      await going
      expect([...first.numbers(), ...second.numbers()]).toEqual(countTo(60))
      expect([...first.gaps, ...second.gaps]).toEqual([])
      second.cut()
    })
  })
}
