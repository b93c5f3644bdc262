import { describe, expect, it } from 'vitest'
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

/** A restart under everybody's feet: every cursor goes on or is told its gap (CONTRACT section 5). */
export function restartSuite(bed: Bed, receivers: readonly ReceiverRow[], durable: boolean): void {
  const carriers = receivers.filter(({ carriesCursor }) => carriesCursor)
  const begin = async (): Promise<readonly Begun[]> => {
    const begun: Begun[] = []
    for (const row of carriers) {
      const channel = freshChannel()
      await bed.publisher.count(() => channel, 1, 20)
      const taker = await bed.take(row, { channels: [channel], since: 'earliest' }).publicationCount(12)
      begun.push({ row, channel, taker, taken: taker.numbers() })
    }
    await bed.restart()
    for (const { taker } of begun) taker.cut()
    return begun
  }

  describe('a restart', () => {
    if (durable) {
      it('over its store ends nobody: all go on where they were', async () => {
        for (const { row, channel, taker, taken } of await begin()) {
          const going = bed.publisher.count(() => channel, 21, 30)
          const after = await bed.take(row, taker.resume).publicationCount(30 - taken.length)
          expect([...taken, ...after.numbers()]).toEqual(countTo(30))
          expect(after.gaps).toEqual([])
          await going
          after.cut()
        }
      })
      return
    }

    it('without a store is told to all as another log', async () => {
      for (const { row, channel, taker } of await begin()) {
        await bed.publisher.count(() => channel, 21, 25)
        const after = await bed.take(row, taker.resume).publicationCount(5)
        expect(after.numbers()).toEqual(countTo(25, 21))
        expect(after.gaps).toMatchObject([{ channel, reason: 'new-log' }])
        after.cut()
      }
    })
  })
}
