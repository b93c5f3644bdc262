import { seededChance } from '../chance.ts'
import { expect } from '../expect.ts'
import { openLink } from '../link.ts'
import type { LinkFault } from '../link.ts'
import type { ReceiverRow } from '../receivers/receiver.ts'
import type { Bed } from './bed.ts'
import { check } from './check.ts'
import type { Check } from './check.ts'
import { countTo, numbersOf, takeThrough } from './taker.ts'

/** Cut after any byte, in small pieces, slowly: over such links nothing is lost and nothing comes twice (CONTRACT section 5). */
export function linkChecks(receivers: readonly ReceiverRow[]): readonly Check[] {
  const carriers = receivers.filter(({ carriesCursor }) => carriesCursor)
  return carriers.flatMap((row) => [cutDown(row), cutUp(row), byteByByte(row), slowly(row)])
}

async function linkOf(bed: Bed, faultOf: (connection: number) => LinkFault): Promise<string> {
  const opened = await openLink(bed.url, faultOf)
  bed.onEnd(() => opened.close())
  return opened.url
}

function cutDown(row: ReceiverRow): Check {
  return check(row, 'resume', 'goes on rightly from a cut after any byte that comes down', async (bed) => {
    const chance = seededChance(7)
    const channel = bed.channel()
    // Further and further, for the answer of a poll comes whole or not at all.
    const url = await linkOf(bed, (connection) => ({ cutAfterDown: 1 + Math.floor(chance() * (1500 + connection * 200)) }))
    const going = bed.publisher.count(() => channel, 1, 80)
    const { publications, gaps, connections } = await takeThrough(
      row,
      url,
      { channels: [channel], since: 'earliest' },
      (taken) => taken.length >= 80,
    )
    await going
    expect(numbersOf(publications)).toEqual(countTo(80))
    expect(gaps).toEqual([])
    expect(connections).toBeGreaterThan(3)
  })
}

function cutUp(row: ReceiverRow): Check {
  return check(row, 'resume', 'goes on rightly from a cut after any byte that goes up', async (bed) => {
    const channel = bed.channel()
    const url = await linkOf(bed, (connection) => (connection % 12 === 11 ? {} : { cutAfterUp: 1 + connection * 61 }))
    await bed.publisher.count(() => channel, 1, 20)
    const { publications } = await takeThrough(row, url, { channels: [channel], since: 'earliest' }, (taken) => taken.length >= 20)
    expect(numbersOf(publications)).toEqual(countTo(20))
  })
}

function byteByByte(row: ReceiverRow): Check {
  return check(row, 'resume', 'is whole when it comes byte by byte', async (bed) => {
    const channel = bed.channel()
    const url = await linkOf(bed, () => ({ writeBytes: 1 }))
    await bed.publisher.publish(channel, '{"n":1,"text":"☃ \\" \\\\ \u2028"}')
    await bed.publisher.count(() => channel, 2, 5)
    const { publications, connections } = await takeThrough(
      row,
      url,
      { channels: [channel], since: 'earliest' },
      (taken) => taken.length >= 5,
    )
    expect(numbersOf(publications)).toEqual(countTo(5))
    expect(connections).toBe(1)
  })
}

function slowly(row: ReceiverRow): Check {
  return check(row, 'resume', 'is caught up from the log when it is slow, and holds nobody up', async (bed) => {
    const channel = bed.channel()
    const url = await linkOf(bed, () => ({ bytesPerSecond: 8_000_000 }))
    const slow = takeThrough(row, url, { channels: [channel], since: 'earliest' }, (taken) => taken.length >= 100)
    const fast = takeThrough(row, bed.url, { channels: [channel], since: 'earliest' }, (taken) => taken.length >= 100)
    const padding = 'x'.repeat(60_000)
    for (const n of countTo(100)) await bed.publisher.publish(channel, JSON.stringify({ n, padding }))
    expect(numbersOf((await fast).publications)).toEqual(countTo(100))
    expect(numbersOf((await slow).publications)).toEqual(countTo(100))
  })
}
