import { formatCursor, parseCursor } from '@fanfare/wire'
import { describe, expect, it } from 'vitest'
import type { ReceiverRow } from '../receivers/receiver.ts'
import type { Bed } from './bed.ts'
import { freshChannel } from './publisher.ts'
import { shortKeep } from './row.ts'
import { countTo } from './taker.ts'
import type { Taker } from './taker.ts'

/** A gap is never silent: each reason, on each transport (CONTRACT section 4). */
export function gapSuite(bed: Bed, receivers: readonly ReceiverRow[]): void {
  const carriers = receivers.filter(({ carriesCursor }) => carriesCursor)
  const answering = carriers.filter(({ movesByChannel }) => !movesByChannel)

  describe.each(carriers)('$name tells', (row) => {
    it.concurrent('new-log where the store is another one, and goes on from the oldest kept', async () => {
      const { channel, token } = await foreignPlace(bed)
      const taker = await bed.take(row, { channels: [channel], since: token }).publicationCount(5)
      expectGap(row, taker, { channel, reason: 'new-log', since: token })
      expect(taker.numbers()).toEqual(countTo(5))
      taker.cut()
    })

    it.concurrent('diverged where the start is none of this store', async () => {
      const { channel, token } = await divergedPlace(bed)
      const taker = await bed.take(row, { channels: [channel], since: token }).publicationCount(5)
      expectGap(row, taker, { channel, reason: 'diverged', since: token })
      expect(taker.numbers().slice(-5)).toEqual(countTo(5))
      taker.cut()
    })

    it.concurrent('deleted to one that comes back', async () => {
      const { channel, token } = await deletedPlace(bed)
      const taker = await bed.take(row, { channels: [channel], since: token }).publicationCount(2)
      expectGap(row, taker, { channel, reason: 'deleted', since: token })
      expect(taker.numbers()).toEqual([6, 7])
      taker.cut()
    })

    it.concurrent('deleted to one that is there, before what comes next', async () => {
      const channel = freshChannel()
      const taker = bed.take(row, { channels: [channel], since: 'earliest' })
      await bed.publisher.count(() => channel, 1, 3)
      await taker.publicationCount(3)
      await bed.publisher.remove(channel)
      await bed.publisher.count(() => channel, 4, 5)
      await taker.publicationCount(5)
      expect(taker.numbers()).toEqual(countTo(5))
      const [gap, ...others] = taker.gaps
      expect(gap).toMatchObject({ channel, reason: 'deleted' })
      expect(others).toEqual([])
      const order = taker.told.filter(({ kind }) => kind !== 'cursor').map(({ kind }) => kind)
      expect(order).toEqual(['publication', 'publication', 'publication', 'gap', 'publication', 'publication'])
      taker.cut()
    })

    it.concurrent('trimmed where the rule keeps no longer what comes next, and a place from which it is not told again', async () => {
      const { channel, token } = await trimmedPlace(bed)
      const taker = bed.take(row, { channels: [channel], since: token })
      await taker.until(() => taker.numbers().includes(20))
      expectGap(row, taker, { channel, reason: 'trimmed', since: token })
      const numbers = taker.numbers()
      expect(numbers).toEqual(countTo(20, numbers[0]))
      expect(numbers[0]).toBeGreaterThan(20 - shortKeep)
      const again = bed.take(row, { channels: [channel], since: taker.gaps[0]?.at })
      await again.until(() => again.numbers().includes(20))
      expect(again.gaps).toEqual([])
      expect(again.numbers()).toEqual(numbers)
      taker.cut()
      again.cut()
    })

    it.concurrent('again what was told when the connection was cut after it, or nothing was lost', async () => {
      const { channel, token } = await deletedPlace(bed)
      const first = bed.take(row, { channels: [channel], since: token })
      await first.until(() => first.gaps.length > 0)
      first.cut()
      const second = await bed.take(row, first.resume).publicationCount(2 - first.numbers().length)
      expect([...first.numbers(), ...second.numbers()]).toEqual([6, 7])
      second.cut()
    })

    it.concurrent('nothing where nothing was lost: what was trimmed or deleted lies before its place', async () => {
      const short = freshChannel('short')
      const published = await bed.told(() => short, 1, 20)
      const kept = bed.take(row, { channels: [short], since: published[20 - shortKeep]?.cursor })
      await kept.publicationCount(shortKeep - 1)
      expect(kept.gaps).toEqual([])
      const unknown = freshChannel()
      const taker = bed.take(row, { channels: [unknown], since: published[0]?.cursor })
      await bed.publisher.count(() => unknown, 1, 2)
      await taker.publicationCount(2)
      expect(taker.gaps).toEqual([])
      expect(taker.numbers()).toEqual([1, 2])
    })

    it.concurrent('earliest no gap, whatever is trimmed', async () => {
      const { channel } = await trimmedPlace(bed)
      const taker = await bed.take(row, { channels: [channel], since: 'earliest' }).publicationCount(shortKeep)
      expect(taker.gaps).toEqual([])
      expect(taker.numbers()).toEqual(countTo(20, 21 - shortKeep))
    })
  })

  describe.each(answering)('$name', (row) => {
    it.concurrent('goes on from the newest where it was asked to', async () => {
      const { channel, token } = await deletedPlace(bed)
      const taker = await bed.take(row, { channels: [channel], since: token, onGap: 'latest' }).opened()
      expectGap(row, taker, { channel, reason: 'deleted', since: token })
      await bed.publisher.count(() => channel, 8, 9)
      await taker.publicationCount(2)
      expect(taker.numbers()).toEqual([8, 9])
      expect(taker.gaps).toHaveLength(1)
      taker.cut()
    })

    it.concurrent('ends with the gap where it was asked to stop', async () => {
      const { channel, token } = await deletedPlace(bed)
      const taker = bed.take(row, { channels: [channel], since: token, onGap: 'stop' })
      const end = await taker.ended()
      // A WebSocket may refuse the upgrade or close: the code says the same.
      expect({ ...end, code: end.code % 4000 }).toMatchObject({ code: 410 })
      expect(taker.publications).toEqual([])
      const problem: unknown = end.reason.startsWith('{') ? JSON.parse(end.reason) : { code: 'gap', gap: { channel, reason: 'deleted' } }
      expect(problem).toMatchObject({ code: 'gap', gap: { channel, reason: 'deleted' } })
    })

    it.concurrent('tells the gap of one channel of several, and the others miss nothing', async () => {
      const channels = [freshChannel(), freshChannel()] as const
      const published = await bed.publisher.count((n) => channels[n % 2 === 0 ? 0 : 1], 1, 10)
      await bed.publisher.remove(channels[0])
      await bed.told((n) => channels[n % 2 === 0 ? 0 : 1], 11, 14)
      const taker = await bed.take(row, { channels, since: published[1]?.cursor }).publicationCount(8)
      expect(taker.gaps).toMatchObject([{ channel: channels[0], reason: 'deleted' }])
      expect(taker.numbers(channels[0])).toEqual([12, 14])
      expect(taker.numbers(channels[1])).toEqual([3, 5, 7, 9, 11, 13])
      taker.cut()
    })
  })

  describe.each(receivers.filter(({ carriesCursor }) => !carriesCursor))('$name', (row) => {
    it.concurrent.each([
      ['new-log', foreignPlace],
      ['diverged', divergedPlace],
      ['deleted', deletedPlace],
      ['trimmed', trimmedPlace],
    ] as const)('closes with 4410 where the gap is %s', async (reason, place) => {
      const { channel, token } = await place(bed)
      const taker = bed.take(row, { channels: [channel], since: token })
      const end = await taker.ended()
      expect(end.code).toBe(4410)
      expect(end.reason).toContain(reason)
      expect(taker.publications).toEqual([])
    })

    it.concurrent('closes with 4410 when the channel is deleted', async () => {
      const channel = freshChannel()
      const taker = bed.take(row, { channels: [channel], since: 'earliest' })
      await bed.publisher.count(() => channel, 1, 3)
      await taker.publicationCount(3)
      await bed.publisher.remove(channel)
      const end = await taker.ended()
      expect(end.code).toBe(4410)
      expect(end.reason).toContain('deleted')
    })
  })
}

interface Place {
  readonly channel: string
  readonly token: string
}

/** A token of another store; of the channel 1 to 5 are kept here. */
async function foreignPlace(bed: Bed): Promise<Place> {
  const channel = freshChannel()
  await bed.told(() => channel, 1, 5)
  const other = await bed.another()
  const [place] = await other.publisher.count(() => channel, 1, 1)
  return { channel, token: place?.cursor ?? '' }
}

/** A token of a start that this store never had; 1 to 5 are kept. */
async function divergedPlace(bed: Bed): Promise<Place> {
  const channel = freshChannel()
  const published = await bed.told(() => channel, 1, 5)
  const place = parseCursor(published[2]?.cursor ?? '')
  if (place === undefined) throw new Error(`${published[2]?.cursor} is no cursor`)
  return { channel, token: formatCursor({ mark: `${place.mark.slice(0, 8)}ZZZZ0000`, seq: place.seq }) }
}

/** A place before a deletion; 6 and 7 are kept. */
async function deletedPlace(bed: Bed): Promise<Place> {
  const channel = freshChannel()
  const published = await bed.publisher.count(() => channel, 1, 5)
  await bed.publisher.remove(channel)
  await bed.told(() => channel, 6, 7)
  return { channel, token: published[1]?.cursor ?? '' }
}

/** A place of which the next is trimmed; the last of 20 are kept. */
async function trimmedPlace(bed: Bed): Promise<Place> {
  const channel = freshChannel('short')
  const published = await bed.told(() => channel, 1, 20)
  return { channel, token: published[1]?.cursor ?? '' }
}

/** One gap, told before anything that carries a newer cursor. */
function expectGap(
  row: ReceiverRow,
  taker: Taker,
  wanted: { readonly channel: string; readonly reason: string; readonly since: string },
): void {
  expect(taker.gaps).toHaveLength(1)
  const [gap] = taker.gaps
  expect(gap).toMatchObject({ channel: wanted.channel, reason: wanted.reason })
  expect(gap?.missed === null || typeof gap?.missed === 'number').toBe(true)
  expect(parseCursor(gap?.at ?? '')).toBeDefined()
  const before = taker.told.slice(
    0,
    taker.told.findIndex(({ kind }) => kind === 'gap'),
  )
  // The answer of fanfare.v1 comes first, and says the place that was asked for.
  expect(before).toEqual(row.movesByChannel ? [{ kind: 'cursor', cursor: wanted.since, channel: wanted.channel }] : [])
}
