import { seededChance } from '../chance.ts'
import { expect } from '../expect.ts'
import type { ReceiverRow } from '../receivers/receiver.ts'
import { check } from './check.ts'
import type { Check } from './check.ts'
import { countTo } from './taker.ts'

const published = 60

/** Receive over one, cut, resume over the other: every ordered pair, each cut at a place of its own that the seed chooses (CONTRACT section 5). */
export function pairChecks(receivers: readonly ReceiverRow[], seed: number): readonly Check[] {
  const chance = seededChance(seed)
  const carriers = receivers.filter(({ carriesCursor }) => carriesCursor)
  return carriers.flatMap((from) => receivers.map((to) => pairCheck(from, to, 1 + Math.floor(chance() * (published - 2)))))
}

/** Some of them, as the seed chooses, in which everyone is left once and everyone is come to. */
export function samplePairs(pairs: readonly Check[], seed: number): readonly Check[] {
  const chance = seededChance(seed)
  const shuffled = pairs.map((pair) => ({ pair, key: chance() })).toSorted((a, b) => a.key - b.key)
  const [left, reached] = [new Set<string>(), new Set<string | undefined>()]
  return shuffled.flatMap(({ pair }) => {
    const [from, to] = [pair.row.name, pair.also?.name]
    if (left.has(from) && reached.has(to)) return []
    left.add(from)
    reached.add(to)
    return [pair]
  })
}

function pairCheck(from: ReceiverRow, to: ReceiverRow, cutAfter: number): Check {
  const name = `cut after ${cutAfter} of ${published}, goes on over ${to.name}`
  const run: Check['run'] = async (bed) => {
    const channel = bed.channel()
    const going = bed.publisher.count(() => channel, 1, published)
    const first = bed.take(from, { channels: [channel], since: 'earliest' })
    await first.publicationCount(cutAfter)
    first.cut()
    const { cursor } = first
    const taken = first.numbers().length
    const second = bed.take(to, { channels: [channel], since: cursor })
    await second.publicationCount(published - taken)
    await going
    expect([...first.numbers(), ...second.numbers()]).toEqual(countTo(published))
    expect([...first.gaps, ...second.gaps]).toEqual([])
    second.cut()
  }
  return check(from, 'pairs', name, run, { also: to })
}
