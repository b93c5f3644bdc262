import { expect, it } from 'vitest'
import type { ReceiverRow } from '../receivers/receiver.ts'
import type { Bed } from './bed.ts'
import { freshChannel } from './publisher.ts'
import { countTo } from './taker.ts'
import type { Taker } from './taker.ts'

interface Begun {
  readonly row: ReceiverRow
  readonly channel: string
  readonly taker: Taker
  readonly taken: readonly number[]
}

/** A restart under everybody's feet, over a store that is kept: every cursor goes on (CONTRACT section 5). */
export function restartSuite(bed: Bed, receivers: readonly ReceiverRow[]): void {
  it('a restart over its store ends nobody: all go on where they were', async () => {
    for (const { row, channel, taker, taken } of await restarted(bed, receivers)) {
      const going = bed.publisher.count(() => channel, 21, 30)
      const after = await bed.take(row, taker.resume).publicationCount(30 - taken.length)
      expect([...taken, ...after.numbers()]).toEqual(countTo(30))
      expect(after.gaps).toEqual([])
      await going
      after.cut()
    }
  })
}

/** The same where nothing is kept: every cursor is told its gap. */
export function freshStartSuite(bed: Bed, receivers: readonly ReceiverRow[]): void {
  it('a restart without a store is told to all as another log', async () => {
    for (const { row, channel, taker } of await restarted(bed, receivers)) {
      await bed.publisher.count(() => channel, 21, 25)
      const after = await bed.take(row, taker.resume).publicationCount(5)
      expect(after.numbers()).toEqual(countTo(25, 21))
      expect(after.gaps).toMatchObject([{ channel, reason: 'new-log' }])
      after.cut()
    }
  })
}

/** A receiver of each row that has taken some of 20, cut by a restart. */
async function restarted(bed: Bed, receivers: readonly ReceiverRow[]): Promise<readonly Begun[]> {
  const begun: Begun[] = []
  for (const row of receivers.filter(({ carriesCursor }) => carriesCursor)) {
    const channel = freshChannel()
    await bed.publisher.count(() => channel, 1, 20)
    const taker = await bed.take(row, { channels: [channel], since: 'earliest' }).publicationCount(12)
    begun.push({ row, channel, taker, taken: taker.numbers() })
  }
  await bed.restart()
  for (const { taker } of begun) taker.cut()
  return begun
}
