import type { Message } from '@fanfare/wire'
import type { EngineTraits, Facts } from '../engines/engine.ts'
import type { Receiver, Sink } from './sink.ts'
import type { ReceiveRequest } from './receive.ts'

/** What transports, the HTTP interface and the embedding application see of core: one node over one engine. */
export interface FanfareNode {
  readonly traits: EngineTraits
  /** The place that the node's feed has reached. */
  readonly place: number
  /** False while the engine can't deliver (failed, or the feed is behind and stays there). */
  readonly ready: boolean
  readonly counters: NodeCounters

  /** The token of a place that is not beyond the feed. */
  token(place: number): string

  /** Checks names, sizes and keys, appends, answers when it is committed. Rejects with FanfareError. */
  publish(channel: string, message: Message, options?: PublishOptions): Promise<Published>

  /** All or none, neighbours in the log. An item's error has `extra.index`. */
  publishAtomic(items: readonly PublishItem[], options?: PublishOptions): Promise<readonly Published[]>

  /** Each for itself, an answer an item. With a key for the whole, the valid ones go together and a repeat gets the same answers. */
  publishEach(items: readonly PublishItem[], options?: PublishOptions): Promise<readonly (Published | Error)[]>

  /** Deletes the channel's publications. */
  remove(channel: string): Promise<Published>

  /** What is known of a channel, with the token of its newest entry. */
  facts(channel: string): Promise<Facts & { readonly cursor: string }>

  /** Starts a receiver; never calls the sink before it returned. */
  receive(request: ReceiveRequest, sink: Sink): Receiver

  /** Ends the feed and all receivers without a word (transports say good-bye first); the engine is not closed. */
  close(): void
}

export interface PublishOptions {
  /** Idempotency key; counts for one credential and one channel (or, for a batch, for one credential). */
  readonly key?: string | undefined
  /** Of a batch with a key: tells apart what else the request held, such as items that were refused before. */
  readonly print?: string | undefined
  /** Whose keys these are; '' while there are no rights. */
  readonly credential?: string | undefined
}

export interface PublishItem {
  readonly channel: string
  readonly message: Message
  readonly key?: string | undefined
}

export interface Published {
  readonly channel: string
  readonly offset: number
  readonly cursor: string
  readonly time: number
  /** This is the answer of an earlier publish with the same key. */
  readonly replayed: boolean
}

/** Plain numbers that only grow, or gauges; the metrics page reads them. */
export interface NodeCounters {
  publications: number
  deliveries: number
  parked: number
  receivers: number
  readonly pagesBytes: number
  readonly gaps: Record<'new-log' | 'diverged' | 'deleted' | 'trimmed', number>
}
