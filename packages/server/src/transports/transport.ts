import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FanfareError, Limits, OnGap, Since } from '@fanfare/wire'
import type { FanfareNode } from '../core/node-contract.ts'
import type { ReceiveRequest } from '../core/receive.ts'
import type { PlainForms } from '../protocols/plain.ts'
import type { Conversation, Link } from '../protocols/protocol.ts'
import type { HeldSet } from './held.ts'
import type { TransportName } from './names.ts'
import type { SocketFlow } from './socket-writer.ts'
import type { Wheel } from './wheel.ts'

/**
 * A transport is how bytes travel. It makes a sink (what core calls) over the response or socket that it was given, and keeps its promises:
 *
 * 1. Nothing is sent before core says `begin`, `stop` or `fail`, so that each still has the status that fits.
 * 2. It calls its receiver only from a later turn than any call of core's, and closes it when its socket is gone.
 * 3. What it holds open is in `ground.held`, and leaves when told: answered, or with the word to come again.
 * 4. It has no timer of its own: what waits, waits on `ground.wheel`.
 */
export interface Transport {
  readonly name: TransportName
  /** Answers a request; absent where it wants an upgrade. */
  receive?(call: ReceiveCall): void
  /** Says what went wrong in the transport's own form, where it has one for that: true then; else it is told as a problem document. */
  refuse?(answer: Refusing): boolean
  /** Pages use it without that the browser asks for their origin to be allowed: who they are is looked at in other ways. */
  readonly script?: true
  /** Takes the socket of an upgrade; absent where it wants none. */
  upgrade?(call: UpgradeCall): void
}

/** What all transports of a server stand on. */
export interface Ground {
  readonly node: FanfareNode
  readonly limits: Limits
  readonly wheel: Wheel
  readonly flow: SocketFlow
  readonly held: HeldSet
  readonly forms: PlainForms
  /** Compress WebSocket messages for clients that offer it. */
  readonly compression: boolean
  /** An error of our own, which ends one request or connection and nothing else. */
  report(error: unknown): void
  /** How many were reported. */
  failures: number
}

/** What a receiver asked for, checked. */
export interface Question {
  readonly channels: ReceiveRequest['channels']
  readonly since: Since
  readonly onGap: OnGap
  /** The publication as JSON instead of its payload: asked for, or because there are several channels. */
  readonly envelope: boolean
  /** Most publications of an answer. */
  readonly limit: number
  /** How long an answer may wait for its first publication; absent where nobody asked. */
  readonly waitMs: number | undefined
  /** The wait came from `Prefer`, so `Preference-Applied` says so. */
  readonly preferred: boolean
  /** Name of a function that scripts call; checked. */
  readonly callback: string | undefined
  /** Origin of the page that scripts post to; it is on the list. */
  readonly targetOrigin: string | undefined
  /** The answer depends on the address alone and the channels are public: caches may share it. */
  readonly shareable: boolean
}

/** A refusal before anything was sent. */
export interface Refusing {
  readonly res: ServerResponse
  readonly question: Question
  /** Header fields that every answer to this request bears. */
  readonly headers: readonly string[]
  readonly error: FanfareError
  /** When to come again, where that helps. */
  readonly afterMs: number
}

export interface ReceiveCall {
  readonly req: IncomingMessage
  readonly res: ServerResponse
  readonly question: Question
  /** Header fields that every answer to this request bears, name and value in turn. */
  readonly headers: readonly string[]
  /** Answers in the transport's own form, or with a problem document. */
  refuse(error: FanfareError): void
}

export interface UpgradeCall {
  readonly req: IncomingMessage
  readonly socket: Duplex
  readonly head: Buffer
  /** Subprotocol to answer with, of those that the client offered. */
  readonly subprotocol: string | undefined
  readonly converse: (link: Link) => Conversation
}

/** A receiver's request in the words of core. */
export function receiveRequest(
  question: Question,
  form: ReceiveRequest['form'],
  reach: ReceiveRequest['reach'],
  most?: ReceiveRequest['most'],
): ReceiveRequest {
  const { channels, since, onGap } = question
  return { channels, since, form, reach, onGap, ...(most === undefined ? {} : { most }) }
}
