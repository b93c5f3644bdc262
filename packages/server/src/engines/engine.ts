import type { Cursor, Limits, Message, Publication, Rule, Runtime } from '@fanfare/wire'

/**
 * An engine keeps the logs of all channels in one commit order, the store, and tells its nodes what was committed.
 *
 * What it promises (`engineSuite` in the conformance package checks each):
 *
 * 1. Order. Every publication and every deletion has a `seq`: 1, 2, 3 … of the store, never used twice. A publication has besides an
 *    `offset`: 1, 2, 3 … of its channel, without holes, never used twice, not after a deletion either. `time` never decreases within one start.
 * 2. Atomic. What one `append` was given is committed together or not at all, as neighbours. Appends are committed in the order in
 *    which they were called. State of `once` is in the same commit and takes no seq of its own.
 * 3. Commit first. `append` answers, and `follow` tells, only what is committed as the trait `durable` says.
 * 4. Everybody is told the same: `follow` gives all commits after a place, in seq order, each once, from the place that was asked for.
 * 5. `read` gives all kept publications of its range and no other, with the facts from which gaps follow.
 * 6. Facts are durable: after a restart `trimmed` and `deletedAt` are never less than a reader was told before.
 * 7. `check` decides whether a place belongs to this history. Nobody else does.
 * 8. Nothing grows without a limit: each has its name in `Limits` and its error.
 *
 * Questions and answers are plain data, so that the same contract serves a worker, a socket, a replica. Answers may come late and in any order.
 */
export interface Engine {
  readonly traits: EngineTraits

  /** Rejects with `storage-full`, `storage-failed`, `overloaded`, `channels-full` or `idempotency-full`; then nothing of it was appended. */
  append(request: AppendRequest): Promise<AppendAnswer>

  /**
   * All kept publications of the channel with a seq in (page.from, page.through], ascending. `page.from <= after`. The page ends where the
   * engine cuts it (at most 128 publications and 256 KiB, but at least one publication if there is one), else at `through`, never beyond.
   * `through` is the place that the asking node's feed has reached: a cursor must not overtake it. The facts may be newer than `through`.
   */
  read(channel: string, after: number, through: number): Promise<Page>

  /** What is known of a channel; unknown and forgotten channels are answered too, and asking creates nothing. */
  facts(channel: string): Promise<Facts>

  /**
   * The place just before the newest `count` kept publications with a seq up to `through`; with `count` 0 the place of the newest entry itself
   * (publication or deletion). Where the channel is not known: the place through which channels were forgotten, 0 at first.
   */
  newest(channel: string, count: number, through: number): Promise<number>

  /** Calls back with every commit after the place, never from within this call. Returns what ends it. Throws RangeError beyond the head. */
  follow(after: number, onCommit: (commit: Commit) => void): () => void

  /** The newest committed place, and all starts of this store, oldest first: a place's mark is that of the last start with `first <= seq` (place 0: the first start's). */
  head(): Promise<Head>

  /**
   * Does the place belong to this history? A place beyond the head is `diverged` only where the engine knows that nobody can have been told it: no start has
   * given it, or can have, that this one has not heard of yet. A node that lags doesn't matter: the place is asked of the engine, not of the node's feed.
   */
  check(cursor: Cursor): Promise<Verdict>

  /** Names of the known channels that begin with `prefix`, sorted, at most `limit`, after `after`. */
  channels(prefix: string, after: string, limit: number): Promise<readonly string[]>

  /** The unexpired value, or undefined. */
  getState(key: string): Promise<Uint8Array | undefined>

  /** Figures for metrics; cheap, and synchronous because it is only about this process. */
  stats(): EngineStats

  /** Everything accepted is committed or refused; resources are given back. Closing twice is closing once. */
  close(): Promise<void>
}

export interface EngineTraits {
  readonly name: string
  /** What an answered append survives: a power cut, the loss of a node, or nothing. */
  readonly durable: 'synced' | 'replicated' | 'memory'
  /** Can two nodes ever see different entries at one place? If so, it is told as `diverged`. */
  readonly forks: 'never' | 'told'
}

export interface EngineOptions {
  readonly runtime: Runtime
  /** The first whose pattern matches decides what is kept; the last one is `**`. */
  readonly rules: readonly Rule[]
  readonly limits: Limits
}

export type Item =
  | { readonly kind: 'publication'; readonly channel: string; readonly message: Message; readonly once?: Once }
  | { readonly kind: 'delete'; readonly channel: string }

/** At most once in a window. `print` tells whether a repeat is the same; `expires` is wall time in ms. */
export interface Once {
  readonly key: string
  readonly print: string
  readonly expires: number
}

export interface AppendRequest {
  /** At least one; channel names are valid. */
  readonly items: readonly Item[]
  /** For the request as a whole. */
  readonly once?: Once
  /** Keyed state committed with it; `value: null` removes. `expires` 0 is never. */
  readonly state?: readonly { readonly key: string; readonly value: Uint8Array | null; readonly expires: number }[]
}

/**
 * `placed` has a place an item, in order. A repeat (same key, same print, inside the window) gets the first answer again, waiting for it where
 * it is under way, and appends nothing. `conflict`: a key was used with another print; nothing was appended; `index` is the item, -1 the request.
 */
export type AppendAnswer =
  | { readonly kind: 'placed'; readonly placed: readonly Placed[] }
  | { readonly kind: 'conflict'; readonly index: number }

export interface Placed {
  readonly channel: string
  /** 0 for a deletion. */
  readonly offset: number
  readonly seq: number
  readonly time: number
  readonly mark: string
  /** This is the answer of an earlier append. */
  readonly replayed: boolean
}

export interface Page {
  readonly channel: string
  readonly from: number
  readonly through: number
  readonly publications: readonly Publication[]
  readonly facts: Facts
}

export interface Facts {
  /** Highest place whose publication is no longer given by reason of the rule, with its offset (null where it can not be known: forgotten). */
  readonly trimmed: { readonly seq: number; readonly offset: number | null }
  /** Place of the newest deletion, 0 without one. */
  readonly deletedAt: number
  /** Place and offset of the newest publication ever (kept or not); 0 without one. */
  readonly lastSeq: number
  readonly lastOffset: number
  /** Publications and payload bytes kept. */
  readonly count: number
  readonly bytes: number
}

/** One commit: everything in (from, through], each list in seq order. */
export interface Commit {
  readonly from: number
  readonly through: number
  readonly mark: string
  readonly publications: readonly Publication[]
  readonly deletions: readonly Deletion[]
}

export interface Deletion {
  readonly channel: string
  readonly seq: number
  readonly time: number
}

export interface Head {
  readonly seq: number
  readonly starts: readonly Start[]
}

export interface Start {
  readonly mark: string
  /** First seq that this start may commit. */
  readonly first: number
}

/** `diverged`: `common` is the last place that is provably the same in both histories, null where none can be proven. */
export type Verdict =
  | { readonly kind: 'same' }
  | { readonly kind: 'new-log' }
  | { readonly kind: 'diverged'; readonly common: number | null }

export interface EngineStats {
  readonly channels: number
  readonly publications: number
  /** Of files on disk, or of memory in use. */
  readonly bytes: number
  readonly idempotencyKeys: number
  readonly waitingBytes: number
  /** Commits and their time from append to answer, for a histogram: seconds summed and counted. */
  readonly failed: boolean
}
