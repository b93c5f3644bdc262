import { negotiate, problemOf } from '@fanfare/wire'
import type { Problem } from '@fanfare/wire'
import type { TransportName } from './names.ts'
import { isTransportName } from './names.ts'

/** What of a request says how to answer it. */
export interface Wish {
  /** `?transport=` */
  readonly named: string | undefined
  /** It is an upgrade to WebSocket. */
  readonly upgrade: boolean
  readonly accept: string | undefined
  /** A wait was asked for, by `?wait=` or `Prefer`. */
  readonly waits: boolean
}

/** The media types that ask for a transport; anything else is a poll. Of equal quality the first counts. */
const byMediaType: Readonly<Record<string, TransportName>> = {
  'text/event-stream': 'sse',
  'application/x-ndjson': 'stream',
  'multipart/mixed': 'multipart',
}
const streamingTypes = Object.keys(byMediaType)
const pollType = 'application/json'

/** What is wrong with a transport for a request that offers an upgrade, or doesn't. */
export function wayProblem(name: TransportName, upgrade: boolean): Problem | undefined {
  if (upgrade === (name === 'websocket')) return undefined
  return upgrade
    ? problemOf('upgrade-invalid', `an upgrade is answered by websocket, not by ${name}`)
    : problemOf('upgrade-required', 'websocket wants a request with Upgrade: websocket')
}

/** Which transport answers (CONTRACT section 4): the one that is named, else WebSocket for an upgrade, else by Accept. */
export function chooseTransport(wish: Wish): TransportName | Problem {
  const { named, upgrade } = wish
  if (named !== undefined) {
    if (!isTransportName(named)) return problemOf('transport-unknown', `there is no transport ${JSON.stringify(named.slice(0, 40))}`)
    return named
  }
  if (upgrade) return 'websocket'
  const streaming = wish.accept === undefined ? undefined : streamFor(wish.accept)
  return streaming ?? (wish.waits ? 'long-poll' : 'poll')
}

/** Clients of a kind send the same field with each request: what it means is kept for some of them. */
const accepted = new Map<string, TransportName | undefined>()
const mostAccepted = 100
const mostAcceptedLength = 200

function streamFor(accept: string): TransportName | undefined {
  if (accepted.has(accept)) return accepted.get(accept)
  const liked = negotiate(accept, [...streamingTypes, pollType])
  // Ranges such as */* name no stream: who takes anything gets an answer that ends.
  const streaming = liked !== undefined && accept.toLowerCase().includes(liked) ? byMediaType[liked] : undefined
  if (accepted.size < mostAccepted && accept.length <= mostAcceptedLength) accepted.set(accept, streaming)
  return streaming
}
