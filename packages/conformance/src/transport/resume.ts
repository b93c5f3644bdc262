import { expect } from '../expect.ts'
import type { ReceiverRow } from '../receivers/receiver.ts'
import { check } from './check.ts'
import type { Check } from './check.ts'
import { countTo } from './taker.ts'

/** Rows that prove all pairs: each gives the same tokens, and goes on from any (CONTRACT sections 1, 4 and 5). */
export function resumeChecks(receivers: readonly ReceiverRow[]): readonly Check[] {
  const carriers = receivers.filter(({ carriesCursor }) => carriesCursor)
  return [
    ...carriers.flatMap((row) => [sameTokens(row), beginsWithCursor(row)]),
    ...receivers.flatMap((row) => [fromAnyToken(row), beginsWhereTold(row), inOrder(row)]),
  ]
}

function sameTokens(row: ReceiverRow): Check {
  return check(row, 'resume', 'gives the token of the place, the same as everybody', async (bed) => {
    const channel = bed.channel()
    const taker = bed.take(row, { channels: [channel], since: 'earliest' })
    const published = await bed.publisher.count(() => channel, 1, 10)
    await taker.publicationCount(10)
    expect(taker.publications.map(({ cursor }) => cursor)).toEqual(published.map(({ cursor }) => cursor))
    expect(await bed.publisher.head(channel)).toEqual({ cursor: published.at(-1)?.cursor, count: 10 })
    const late = await bed.take(row, { channels: [channel], since: 'earliest' }).publicationCount(10)
    expect(late.publications.map(({ cursor }) => cursor)).toEqual(published.map(({ cursor }) => cursor))
  })
}

function beginsWithCursor(row: ReceiverRow): Check {
  return check(row, 'opening', 'begins with a cursor, so that one that got nothing goes on from there', async (bed) => {
    const channel = bed.channel()
    await bed.told(() => channel, 1, 3)
    const first = await bed.take(row, { channels: [channel] }).opened()
    first.cut()
    expect(first.numbers()).toEqual([])
    await bed.publisher.count(() => channel, 4, 8)
    const second = await bed.take(row, first.resume).publicationCount(5)
    expect(second.numbers()).toEqual(countTo(8, 4))
    expect(second.gaps).toEqual([])
  })
}

function fromAnyToken(row: ReceiverRow): Check {
  return check(row, 'resume', 'continues rightly from any token while publishing goes on', async (bed) => {
    const channel = bed.channel()
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
}

function beginsWhereTold(row: ReceiverRow): Check {
  return check(row, 'opening', 'begins where it was told to: earliest, the newest so many, latest', async (bed) => {
    const channel = bed.channel()
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
}

function inOrder(row: ReceiverRow): Check {
  return check(row, 'order', 'gives what is published after it began, in order, once, also when much comes at once', async (bed) => {
    const channel = bed.channel()
    const taker = bed.take(row, { channels: [channel], since: 'earliest' })
    const first = await bed.publisher.count(() => channel, 1, 1)
    await taker.publicationCount(1)
    const others = await Promise.all(countTo(100).map((n) => bed.publisher.publish(channel, JSON.stringify({ n: n + 1 }))))
    await taker.publicationCount(101)
    // Who came first is the server's to say: by their offsets.
    const published = [...first, ...others].map(({ offset }, index) => ({ offset, n: index + 1 })).toSorted((a, b) => a.offset - b.offset)
    expect(taker.numbers()).toEqual(published.map(({ n }) => n))
    expect(taker.publications.map(({ offset }) => offset)).toEqual(countTo(101).map((offset) => (row.carriesEnvelope ? offset : undefined)))
  })
}
