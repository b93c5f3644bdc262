import { expect } from '../expect.ts'
import type { ReceiverRow, ToldPublication } from '../receivers/receiver.ts'
import { check } from './check.ts'
import type { Check } from './check.ts'
import { countTo } from './taker.ts'
import type { Taker } from './taker.ts'

/** Several channels on one receiver (CONTRACT sections 2, 4 and 5): log order, and cuts in the middle of it. */
export function severalChecks(receivers: readonly ReceiverRow[]): readonly Check[] {
  const carriers = receivers.filter(({ carriesCursor }) => carriesCursor)
  return [
    ...carriers.filter(({ movesByChannel }) => !movesByChannel).map(inLogOrder),
    ...receivers.filter(({ carriesCursor }) => !carriesCursor).map(withNames),
    ...carriers.map(cutAnywhere),
    ...carriers.filter(({ beginsByChannel }) => beginsByChannel).map(eachFromItsPlace),
  ]
}

function inLogOrder(row: ReceiverRow): Check {
  return check(row, 'several', 'gives several channels in the order of the log, with their names', async (bed) => {
    const channels = [bed.channel(), bed.channel(), bed.channel()]
    const published = await bed.publisher.count((n) => channels[(n * n) % 3] ?? '', 1, 30)
    const taker = bed.take(row, { channels, since: 'earliest' })
    const more = await bed.publisher.count((n) => channels[n % 3] ?? '', 31, 60)
    await taker.publicationCount(60)
    expect(taker.numbers()).toEqual(countTo(60))
    const places = [...published, ...more].map(({ channel, offset, cursor }) => ({ channel, offset, cursor }))
    expect(taker.publications.map(({ channel, offset, cursor }) => ({ channel, offset, cursor }))).toEqual(places)
  })
}

function withNames(row: ReceiverRow): Check {
  return check(row, 'several', 'names the channel of each where there are several', async (bed) => {
    const channels = [bed.channel(), bed.channel()]
    const taker = bed.take(row, { channels, since: 'earliest' })
    const published = await bed.publisher.count((n) => channels[n % 2] ?? '', 1, 10)
    await taker.publicationCount(10)
    expect(taker.publications.map(({ channel, cursor }) => ({ channel, cursor }))).toEqual(
      published.map(({ channel, cursor }) => ({ channel, cursor })),
    )
  })
}

function cutAnywhere(row: ReceiverRow): Check {
  return check(row, 'several', 'of 64 channels, cut anywhere, again and again, misses nothing of any', async (bed) => {
    const channels = Array.from({ length: 64 }, () => bed.channel())
    const going = bed.publisher.count((n) => channels[(n * 37) % 64] ?? '', 1, 256)
    const taken: ToldPublication[] = []
    let taker: Taker = bed.take(row, { channels, since: 'earliest' })
    for (let cuts = 1; taken.length < 256; cuts++) {
      await taker.publicationCount(Math.min(256 - taken.length, 3 + ((cuts * 11) % 40)))
      taken.push(...taker.publications)
      expect(taker.end).toBeUndefined()
      expect(taker.gaps).toEqual([])
      taker.cut()
      taker = bed.take(row, taker.resume)
    }
    await going
    for (const [index, channel] of channels.entries()) {
      const numbers = taken
        .filter((publication) => publication.channel === channel)
        .map(({ data }) => (JSON.parse(new TextDecoder().decode(data)) as { n: number }).n)
      expect(numbers).toEqual(countTo(256).filter((n) => (n * 37) % 64 === index))
    }
  })
}

function eachFromItsPlace(row: ReceiverRow): Check {
  return check(row, 'several', 'begins each channel at its own place', async (bed) => {
    const channels = [bed.channel(), bed.channel()] as const
    const published = await bed.publisher.count((n) => channels[n % 2 === 0 ? 0 : 1], 1, 20)
    const sinceOf = new Map([
      [channels[0], published[3]?.cursor ?? ''],
      [channels[1], published[14]?.cursor ?? ''],
    ])
    const taker = await bed.take(row, { channels, sinceOf }).publicationCount(10)
    expect(taker.numbers(channels[0])).toEqual([6, 8, 10, 12, 14, 16, 18, 20])
    expect(taker.numbers(channels[1])).toEqual([17, 19])
  })
}
