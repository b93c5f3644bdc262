import { iframe } from './iframe.ts'
import { jsonp } from './jsonp.ts'
import { longPoll } from './long-poll.ts'
import { multipart } from './multipart.ts'
import type { TransportName } from './names.ts'
import { poll } from './poll.ts'
import { sse } from './sse.ts'
import { stream } from './stream.ts'
import type { Ground, Transport } from './transport.ts'
import { websocket } from './websocket.ts'

/** The transports that are built: one file and one line each. */
const registry: { readonly [Name in TransportName]: (ground: Ground) => Transport } = {
  websocket,
  sse,
  'long-poll': longPoll,
  poll,
  stream,
  multipart,
  iframe,
  jsonp,
}

/** Those of the registry, made for one server. */
export function makeTransports(ground: Ground): ReadonlyMap<string, Transport> {
  return new Map(
    Object.values(registry)
      .map((make) => make(ground))
      .map((transport) => [transport.name, transport]),
  )
}
