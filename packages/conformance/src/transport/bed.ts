import { afterAll, beforeAll } from 'vitest'
import type { EngineFault } from '../faults.ts'
import type { Ask, ReceiverRow } from '../receivers/receiver.ts'
import { Publisher } from './publisher.ts'
import type { RunningServer, ServerRow } from './row.ts'
import { Taker } from './taker.ts'

/** One running server for all tests of a group, and what they opened on it. */
export interface Bed {
  readonly url: string
  readonly publisher: Publisher
  /** Another server, with a store of its own. */
  another(): Promise<Bed>
  take(row: ReceiverRow, ask: Ask, url?: string): Taker
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
    another: () => opened().another(),
    take: (...args) => opened().take(...args),
  }
}

async function openBed(row: ServerRow, fault: EngineFault | undefined, closers: (() => Promise<void> | void)[]): Promise<Bed> {
  const server: RunningServer = await row.start(fault)
  closers.push(() => server.close())
  const publisher = new Publisher(server.url)
  closers.push(() => publisher.close())
  return {
    url: server.url,
    publisher,
    another: () => openBed(row, fault, closers),
    take(receiver, ask, url = server.url) {
      const taker = new Taker(receiver, url, ask)
      closers.push(() => taker.cut())
      return taker
    },
  }
}
