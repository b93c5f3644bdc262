import { formatCursor, parseCursor } from '@fanfare/wire'
import { expect } from '../expect.ts'
import type { ReceiverRow } from '../receivers/receiver.ts'
import { placeOf } from './bed.ts'
import type { Bed } from './bed.ts'
import { check } from './check.ts'
import type { Check } from './check.ts'
import { countTo } from './taker.ts'
import type { Taker } from './taker.ts'

/** A gap is never silent: each reason, on each transport (CONTRACT section 4). */
export function gapChecks(receivers: readonly ReceiverRow[]): readonly Check[] {
  const carriers = receivers.filter(({ carriesCursor }) => carriesCursor)
  return [
    ...carriers.flatMap((row) => [
      newLog(row),
      diverged(row),
      deletedBefore(row),
      deletedLive(row),
      trimmed(row),
      toldAgain(row),
      nothingLost(row),
      earliest(row),
    ]),
    ...carriers.filter(({ movesByChannel }) => !movesByChannel).flatMap((row) => [latest(row), stop(row), oneOfSeveral(row)]),
    ...receivers.filter(({ carriesCursor }) => !carriesCursor).flatMap((row) => [closes(row), closesLive(row)]),
  ]
}

function newLog(row: ReceiverRow): Check {
  return check(row, 'gaps', 'tells new-log where the store is another one, and goes on from the oldest kept', async (bed) => {
    const place = await foreignPlace(bed)
    const taker = await bed.take(row, askOf(place)).publicationCount(5)
    expectGap(row, taker, { ...place, reason: 'new-log' })
    expect(taker.numbers()).toEqual(countTo(5))
  })
}

function diverged(row: ReceiverRow): Check {
  return check(row, 'gaps', 'tells diverged where the start is none of this store', async (bed) => {
    const place = await divergedPlace(bed)
    const taker = await bed.take(row, askOf(place)).publicationCount(5)
    expectGap(row, taker, { ...place, reason: 'diverged' })
    expect(taker.numbers().slice(-5)).toEqual(countTo(5))
  })
}

function deletedBefore(row: ReceiverRow): Check {
  return check(row, 'gaps', 'tells deleted to one that comes back', async (bed) => {
    const place = await deletedPlace(bed)
    const taker = await bed.take(row, askOf(place)).publicationCount(2)
    expectGap(row, taker, { ...place, reason: 'deleted' })
    expect(taker.numbers()).toEqual([6, 7])
  })
}

function deletedLive(row: ReceiverRow): Check {
  return check(row, 'gaps', 'tells deleted to one that is there, before what comes next', async (bed) => {
    const channel = bed.channel()
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
  })
}

function trimmed(row: ReceiverRow): Check {
  const name = 'tells trimmed where the rule keeps no longer what comes next, and a place from which it is not told again'
  return check(row, 'gaps', name, async (bed) => {
    const { channel, early, last, kept } = await bed.trimmed()
    const taker = bed.take(row, { channels: [channel], since: early })
    await taker.until(() => taker.lastNumber() === last)
    expectGap(row, taker, { channel, token: early, reason: 'trimmed' })
    const numbers = taker.numbers()
    expect(numbers).toEqual(countTo(last, numbers[0]))
    expect(numbers[0]).toBeGreaterThan(last - kept)
    const again = bed.take(row, { channels: [channel], since: taker.gaps[0]?.at })
    await again.until(() => again.lastNumber() === last)
    expect(again.gaps).toEqual([])
    expect(again.numbers()).toEqual(numbers)
  })
}

function toldAgain(row: ReceiverRow): Check {
  return check(row, 'gaps', 'tells again what was told when the connection was cut after it, or nothing was lost', async (bed) => {
    const first = bed.take(row, askOf(await deletedPlace(bed)))
    await first.until(() => first.gaps.length > 0)
    first.cut()
    const second = await bed.take(row, first.resume).publicationCount(2 - first.numbers().length)
    expect([...first.numbers(), ...second.numbers()]).toEqual([6, 7])
  })
}

function nothingLost(row: ReceiverRow): Check {
  return check(row, 'gaps', 'tells nothing where nothing was lost: what was trimmed or deleted lies before its place', async (bed) => {
    const { channel, oldest, kept } = await bed.trimmed()
    const taker = await bed.take(row, { channels: [channel], since: oldest }).publicationCount(kept - 1)
    expect(taker.gaps).toEqual([])
    const unknown = bed.channel()
    const other = bed.take(row, { channels: [unknown], since: oldest })
    await bed.publisher.count(() => unknown, 1, 2)
    await other.publicationCount(2)
    expect(other.gaps).toEqual([])
    expect(other.numbers()).toEqual([1, 2])
  })
}

function earliest(row: ReceiverRow): Check {
  return check(row, 'gaps', 'tells earliest no gap, whatever is trimmed', async (bed) => {
    const { channel, last, kept } = await bed.trimmed()
    const taker = await bed.take(row, { channels: [channel], since: 'earliest' }).publicationCount(kept)
    expect(taker.gaps).toEqual([])
    expect(taker.numbers()).toEqual(countTo(last, last - kept + 1))
  })
}

function latest(row: ReceiverRow): Check {
  return check(row, 'gaps', 'goes on from the newest where it was asked to', async (bed) => {
    const place = await deletedPlace(bed)
    const taker = await bed.take(row, { ...askOf(place), onGap: 'latest' }).opened()
    expectGap(row, taker, { ...place, reason: 'deleted' })
    await bed.publisher.count(() => place.channel, 8, 9)
    await taker.publicationCount(2)
    expect(taker.numbers()).toEqual([8, 9])
    expect(taker.gaps).toHaveLength(1)
  })
}

function stop(row: ReceiverRow): Check {
  return check(row, 'gaps', 'ends with the gap where it was asked to stop', async (bed) => {
    const place = await deletedPlace(bed)
    const taker = bed.take(row, { ...askOf(place), onGap: 'stop' })
    const end = await taker.ended()
    // A WebSocket may refuse the upgrade or close: the code says the same.
    expect({ ...end, code: end.code % 4000 }).toMatchObject({ code: 410 })
    expect(taker.publications).toEqual([])
    const gap = { channel: place.channel, reason: 'deleted' }
    const problem: unknown = end.reason.startsWith('{') ? JSON.parse(end.reason) : { code: 'gap', gap }
    expect(problem).toMatchObject({ code: 'gap', gap })
  })
}

function oneOfSeveral(row: ReceiverRow): Check {
  return check(row, 'gaps', 'tells the gap of one channel of several, and the others miss nothing', async (bed) => {
    const channels = [bed.channel(), bed.channel()] as const
    const published = await bed.publisher.count((n) => channels[n % 2 === 0 ? 0 : 1], 1, 10)
    await bed.publisher.remove(channels[0])
    await bed.told((n) => channels[n % 2 === 0 ? 0 : 1], 11, 14)
    const taker = await bed.take(row, { channels, since: published[1]?.cursor }).publicationCount(8)
    expect(taker.gaps).toMatchObject([{ channel: channels[0], reason: 'deleted' }])
    expect(taker.numbers(channels[0])).toEqual([12, 14])
    expect(taker.numbers(channels[1])).toEqual([3, 5, 7, 9, 11, 13])
  })
}

function closes(row: ReceiverRow): Check {
  return check(row, 'gaps', 'closes with 4410 and the reason, whichever it is', async (bed) => {
    const short = await bed.trimmed()
    const places = [
      { reason: 'new-log', ...(await foreignPlace(bed)) },
      { reason: 'diverged', ...(await divergedPlace(bed)) },
      { reason: 'deleted', ...(await deletedPlace(bed)) },
      { reason: 'trimmed', channel: short.channel, token: short.early },
    ]
    for (const { reason, ...place } of places) {
      const taker = bed.take(row, askOf(place))
      const end = await taker.ended()
      expect(end).toMatchObject({ code: 4410 })
      expect(end.reason).toContain(reason)
      expect(taker.publications).toEqual([])
    }
  })
}

function closesLive(row: ReceiverRow): Check {
  return check(row, 'gaps', 'closes with 4410 when the channel is deleted', async (bed) => {
    const channel = bed.channel()
    const taker = bed.take(row, { channels: [channel], since: 'earliest' })
    await bed.publisher.count(() => channel, 1, 3)
    await taker.publicationCount(3)
    await bed.publisher.remove(channel)
    const end = await taker.ended()
    expect(end).toMatchObject({ code: 4410 })
    expect(end.reason).toContain('deleted')
  })
}

interface Place {
  readonly channel: string
  readonly token: string
}

function askOf({ channel, token }: Place): { readonly channels: readonly string[]; readonly since: string } {
  return { channels: [channel], since: token }
}

/** A token of another store; of the channel 1 to 5 are kept here. */
async function foreignPlace(bed: Bed): Promise<Place> {
  const channel = bed.channel()
  await bed.told(() => channel, 1, 5)
  return { channel, token: await bed.foreignToken(channel) }
}

/** A token of a start that this store never had; 1 to 5 are kept. */
async function divergedPlace(bed: Bed): Promise<Place> {
  const channel = bed.channel()
  const published = await bed.told(() => channel, 1, 5)
  const { mark, seq } = placeOf(published[2]?.cursor ?? '')
  return { channel, token: formatCursor({ mark: `${mark.slice(0, 8)}ZZZZ0000`, seq }) }
}

/** A place before a deletion; 6 and 7 are kept. */
async function deletedPlace(bed: Bed): Promise<Place> {
  const channel = bed.channel()
  const published = await bed.publisher.count(() => channel, 1, 5)
  await bed.publisher.remove(channel)
  await bed.told(() => channel, 6, 7)
  return { channel, token: published[1]?.cursor ?? '' }
}

/** One gap, told before anything that carries a newer cursor. */
function expectGap(row: ReceiverRow, taker: Taker, wanted: Place & { readonly reason: string }): void {
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
  expect(before).toEqual(row.movesByChannel ? [{ kind: 'cursor', cursor: wanted.token, channel: wanted.channel }] : [])
}
