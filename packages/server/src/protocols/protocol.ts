import type { ByteWriter, Limits } from '@fanfare/wire'
import type { FanfareNode } from '../core/node-contract.ts'
import type { Outlet } from '../core/sink.ts'

/**
 * A protocol says what the bytes mean. It makes forms (the bytes of a publication) and, where clients speak too, a conversation over a link that a
 * transport has opened. It knows no socket: the same conversation runs over a WebSocket, and later over a SockJS session or a plain TCP connection.
 */
export interface Protocol {
  /** Its name, which is also its subprotocol on a WebSocket. */
  readonly name: string
  converse(link: Link, context: ProtocolContext): Conversation
}

export interface ProtocolContext {
  readonly node: FanfareNode
  readonly limits: Limits
  /** Names this server to clients; new at each start. */
  readonly nodeName: string
  /** An error of our own: it is logged, and clients hear only that there was one. */
  report(error: unknown): void
}

/** How a transport wraps one message, so that wrapped messages can be joined. Same key, same bytes. */
export interface Framing {
  readonly key: string
  /** `payload` is valid UTF-8. */
  text(out: ByteWriter, payload: Uint8Array): void
  binary(out: ByteWriter, payload: Uint8Array): void
}

/** An opened two-way connection as a protocol sees it. After its end all of this does nothing. */
export interface Link {
  readonly framing: Framing
  /** What waits for the client is over its limit: park instead of writing publications. Answers may still be sent. */
  readonly full: boolean
  /** Where bytes that are framed already go, past the link. */
  readonly outlet: Outlet
  /** Bytes that are framed already. */
  write(bytes: Uint8Array): void
  /** Calls from a microtask after each write from now on. */
  afterWrites(call: () => void): void
  /** One text message. */
  send(text: string): void
  /** Calls `drained()` once there is room, from a later turn. Those that wait are woken in turn, so that none takes all the room each time. */
  park(waiting: Waiting): void
  /** Reads nothing more from the client until `release`, for a client that sends faster than it is served. Each `hold` wants its `release`. */
  hold(): void
  release(): void
  /** Says good-bye as the transport does, with a close code of RFC 6455; what was sent before still arrives. */
  close(code: number, reason: string): void
}

/** Who waits for room on a link, such as a receiver. */
export interface Waiting {
  drained(): void
}

/** What a protocol does with its link. The transport calls; nothing is called after `closed`. */
export interface Conversation {
  /** A whole message. `data` is good only during the call. */
  message(data: Uint8Array, binary: boolean): void
  /** The client says good-bye: call `done` once what it sent before is published and answered. The transport doesn't wait for long. */
  ending(done: () => void): void
  /** Every `limits.pingMs`. */
  beat(): void
  /** The server goes down: say so, with the milliseconds after which to come again, and close the link. */
  leave(afterMs: number): void
  /** The link is gone. */
  closed(): void
}
