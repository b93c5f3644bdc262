import type { FanfareError, Runtime } from '@fanfare/wire'
import type { Engine } from '../engines/engine.ts'
import type { Hub } from './hub.ts'
import type { Lanes } from './lanes.ts'
import type { NodeCounters } from './node-contract.ts'
import type { PageCache } from './page-cache.ts'
import type { CoreReceiver } from './receiver.ts'
import type { RuleBook } from './rules.ts'
import type { Tokens } from './tokens.ts'

/** Where a hub cuts its pages, and how many receivers move as one. */
export interface NodeSizes {
  readonly pagePublications: number
  readonly pageBytes: number
  readonly chunkMembers: number
}

/** What the parts of one node share. */
export interface NodeState {
  readonly engine: Engine
  readonly runtime: Runtime
  readonly tokens: Tokens
  readonly cache: PageCache
  readonly lanes: Lanes
  readonly rules: RuleBook
  readonly counters: NodeCounters
  /** What the feed has brought; everything delivered is at or before it. */
  readonly place: number
  readonly hubs: Map<string, Hub>
  readonly sizes: NodeSizes
  /** Runs a question to the engine in its turn, so that not all who lag hold a page at once. */
  readonly reads: { ask(question: () => Promise<void>): void }
  /** A sink threw, and could not be told so itself. */
  report(error: unknown): void
  /** A receiver is closed. */
  ended(receiver: CoreReceiver): void
  waitForFeed(waiter: FeedWaiter): void
}

/** Waits for a place that the feed has not reached: the node lags. */
export interface FeedWaiter {
  readonly awaitedPlace: number
  /** The feed is there. */
  resume(): void
  /** Asked for longer than a node may lag. */
  fail(error: FanfareError): void
}
