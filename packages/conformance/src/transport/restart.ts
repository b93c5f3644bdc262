import { it } from 'vitest'
import { expect } from '../expect.ts'
import type { ReceiverRow } from '../receivers/receiver.ts'
import type { Bed } from './bed.ts'
import type { Ground } from './ground.ts'
import { countTo } from './taker.ts'
import type { Taker } from './taker.ts'

interface Begun {
  readonly row: ReceiverRow
  readonly channel: string
  readonly taker: Taker
  readonly taken: readonly number[]
}

/** A restart under everybody's feet, over a store that is kept: every cursor goes on (CONTRACT section 5). */
export function restartSuite(ground: () => Ground, receivers: readonly ReceiverRow[]): void {
  it('a restart over its store ends nobody: all go on where they were', async () => {
    const scope = ground().scope()
    const { bed } = scope
    for (const { row, channel, taker, taken } of await restarted(ground(), bed, receivers)) {
      const going = bed.publisher.count(() => channel, 21, 30)
      const after = await bed.take(row, taker.resume).publicationCount(30 - taken.length)
      expect([...taken, ...after.numbers()]).toEqual(countTo(30))
      expect(after.gaps).toEqual([])
      await going
      after.cut()
    }
    await scope.end()
  })
}

/** The same where nothing is kept: every cursor is told its gap. */
export function freshStartSuite(ground: () => Ground, receivers: readonly ReceiverRow[]): void {
  it('a restart without a store is told to all as another log', async () => {
    const scope = ground().scope()
    const { bed } = scope
    for (const { row, channel, taker } of await restarted(ground(), bed, receivers)) {
      await bed.publisher.count(() => channel, 21, 25)
      const after = await bed.take(row, taker.resume).publicationCount(5)
      expect(after.numbers()).toEqual(countTo(25, 21))
      expect(after.gaps).toMatchObject([{ channel, reason: 'new-log' }])
      after.cut()
    }
    await scope.end()
  })
}

/** A receiver of each row that has taken some of 20, cut by a restart. */
async function restarted(ground: Ground, bed: Bed, receivers: readonly ReceiverRow[]): Promise<readonly Begun[]> {
  const begun: Begun[] = []
  for (const row of receivers.filter(({ carriesCursor }) => carriesCursor)) {
    const channel = bed.channel()
    await bed.publisher.count(() => channel, 1, 20)
    const taker = await bed.take(row, { channels: [channel], since: 'earliest' }).publicationCount(12)
    begun.push({ row, channel, taker, taken: taker.numbers() })
  }
  await ground.restart()
  for (const { taker } of begun) taker.cut()
  return begun
}
