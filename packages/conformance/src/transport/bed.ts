import { afterAll, beforeAll } from 'vitest'
import type { EngineFault } from '../faults.ts'
import type { Ask, ReceiverRow } from '../receivers/receiver.ts'
import { sseReceiver } from '../receivers/sse.ts'
import { Publisher } from './publisher.ts'
import type { Published } from './publisher.ts'
import type { RunningServer, ServerRow } from './row.ts'
import { Taker } from './taker.ts'

/** One running server for all tests of a group, and what they opened on it. */
export interface Bed {
  readonly url: string
  readonly publisher: Publisher
  /** Another server, with a store of its own. */
  another(): Promise<Bed>
  take(row: ReceiverRow, ask: Ask): Taker
  restart(): Promise<void>
  /** Publishes numbers and waits until the server tells them: `latest` means what its node has heard of, and a node may lag. */
  told(channelOf: (n: number) => string, from: number, through: number): Promise<readonly Published[]>
}

/** To be called inside a `describe`. */
export function testBed(row: ServerRow, fault?: EngineFault): Bed {
  const closers: (() => Promise<void> | void)[] = []
  let bed: Bed | undefined
  beforeAll(async () => void (bed = await openBed(row, fault, closers)))
  afterAll(async () => {
    for (const close of closers.splice(0).toReversed()) await close()
  })
  const opened = (): Bed => {
    if (bed === undefined) throw new Error('the server is not started yet')
    return bed
  }
  return {
    get url() {
      return opened().url
    },
    get publisher() {
      return opened().publisher
    },
    restart: () => opened().restart(),
    another: () => opened().another(),
    take: (row, ask) => opened().take(row, ask),
    told: (channelOf, from, through) => opened().told(channelOf, from, through),
  }
}

async function openBed(row: ServerRow, fault: EngineFault | undefined, closers: (() => Promise<void> | void)[]): Promise<Bed> {
  const server: RunningServer = await row.start(fault)
  closers.push(() => server.close())
  const publisher = new Publisher(server.url)
  closers.push(() => publisher.close())
  const take = (receiver: ReceiverRow, ask: Ask): Taker => {
    const taker = new Taker(receiver, server.url, ask)
    closers.push(() => taker.cut())
    return taker
  }
  return {
    url: server.url,
    publisher,
    async restart() {
      await server.restart()
      // Its idle connections are dead.
      publisher.close()
    },
    another: () => openBed(row, fault, closers),
    take,
    async told(channelOf, from, through) {
      const published = await publisher.count(channelOf, from, through)
      const witness = take(sseReceiver, { channels: [channelOf(through)], since: 'earliest' })
      await witness.until(() => witness.numbers().includes(through))
      witness.cut()
      return published
    },
  }
}
