import { longPoll } from './long-poll.ts'
import type { TransportName } from './names.ts'
import { poll } from './poll.ts'
import { sse } from './sse.ts'
import type { Ground, Transport } from './transport.ts'
import { websocket } from './websocket.ts'

/** The transports that are built: one file and one line each. */
const registry: { readonly [Name in TransportName]?: (ground: Ground) => Transport } = {
  websocket,
  sse,
  'long-poll': longPoll,
  poll,
}

/** Those of the registry, made for one server. */
export function makeTransports(ground: Ground): ReadonlyMap<string, Transport> {
  return new Map(
    Object.values(registry)
      .map((make) => make(ground))
      .map((transport) => [transport.name, transport]),
  )
}
