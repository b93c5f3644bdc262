import type { EngineFault } from '../faults.ts'
import { sseReceiver } from '../receivers/sse.ts'
import type { Bed, Trimmed } from './bed.ts'
import { Publisher } from './publisher.ts'
import { shortKeep } from './row.ts'
import type { ServerRow } from './row.ts'
import { openScope } from './scope.ts'
import type { Scope } from './scope.ts'

/** A server that was started for the suite. */
export interface Ground {
  readonly url: string
  readonly publisher: Publisher
  /** A bed for one check; `end` closes what was opened on it. */
  scope(): Scope
  restart(): Promise<void>
  close(): Promise<void>
}

let channelsMade = 0

export async function openGround(row: ServerRow, fault?: EngineFault): Promise<Ground> {
  const server = await row.start(fault)
  const publisher = new Publisher(server.url)
  const channel = (): string => `conformance/${process.pid}/${++channelsMade}`
  let other: Promise<Ground> | undefined
  const foreignToken = async (name: string): Promise<string> => {
    other ??= openGround(row, fault)
    const [place] = await (await other).publisher.count(() => name, 1, 1)
    return place?.cursor ?? ''
  }
  const parts = { url: server.url, publisher, witness: sseReceiver, channel, foreignToken, trimmed: trimmedByRule }
  return {
    url: server.url,
    publisher,
    scope: () => openScope(parts),
    async restart() {
      await server.restart()
      // Its idle connections are dead.
      publisher.close()
    },
    async close() {
      publisher.close()
      await server.close()
      await (await other)?.close()
    },
  }
}

async function trimmedByRule(bed: Bed): Promise<Trimmed> {
  const channel = `short/${bed.channel()}`
  const last = shortKeep * 4
  const published = await bed.told(() => channel, 1, last)
  return { channel, last, kept: shortKeep, early: published[1]?.cursor ?? '', oldest: published[last - shortKeep]?.cursor ?? '' }
}
