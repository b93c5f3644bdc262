import { assertChannel, tokenMaker } from '@fanfare/wire'
import type { Limits, Rule, Runtime } from '@fanfare/wire'
import type { Commit, Engine, Head } from '../engines/engine.ts'
import { Feed } from './feed.ts'
import type { Hub } from './hub.ts'
import { Lanes } from './lanes.ts'
import type { LaneBudgets } from './lanes.ts'
import type { FanfareNode, NodeCounters } from './node-contract.ts'
import type { NodeSizes, NodeState } from './node-state.ts'
import { PageCache } from './page-cache.ts'
import { Publisher } from './publishing.ts'
import { Reads } from './reads.ts'
import { CoreReceiver } from './receiver.ts'
import { RuleBook } from './rules.ts'
import { Tokens } from './tokens.ts'

export interface NodeOptions {
  readonly engine: Engine
  readonly runtime: Runtime
  /** The first whose pattern matches counts; the last is `**`. */
  readonly rules: readonly Rule[]
  readonly limits: Limits
  readonly budgets?: LaneBudgets
  /** Pages read from the engine at once. */
  readonly readsAtOnce?: number
  readonly sizes?: NodeSizes
  /** Hears of a sink that threw and can't be told so itself. Its receiver is closed, the others go on. Default: thrown from a later turn. */
  readonly report?: (error: unknown) => void
}

const defaultBudgets: LaneBudgets = { writes: 2000, bytes: 1024 * 1024 }
const defaultReadsAtOnce = 64
const defaultSizes: NodeSizes = { pagePublications: 128, pageBytes: 256 * 1024, chunkMembers: 1000 }

/** One node over one engine: takes its feed, serves receivers, appends for publishers. The engine stays the caller's. */
export async function createNode(options: NodeOptions): Promise<FanfareNode> {
  const { engine, runtime, limits } = options
  const head = await engine.head()
  const { state, feed, receivers } = assemble(options, head)
  await feed.start(head)
  const { tokens, rules, counters, lanes } = state
  const tokenOf = (seq: number, mark: string): string => (mark === tokens.newestMark ? tokens.token(seq) : tokenMaker(mark)(seq))
  const publisher = new Publisher({ engine, runtime, rules, limits, token: tokenOf })
  return {
    traits: engine.traits,
    get place() {
      return feed.place
    },
    get ready() {
      return feed.ready && !engine.stats().failed
    },
    counters,
    token: (place) => tokens.token(place),
    publish: (channel, message, publishOptions) => publisher.publish(channel, message, publishOptions),
    publishAtomic: (items, publishOptions) => publisher.publishAtomic(items, publishOptions),
    publishEach: (items, publishOptions) => publisher.publishEach(items, publishOptions),
    remove: (channel) => publisher.remove(channel),
    async facts(channel) {
      assertChannel(channel)
      const facts = await engine.facts(channel)
      return { ...facts, cursor: tokens.token(Math.max(facts.lastSeq, facts.deletedAt, facts.trimmed.seq)) }
    },
    receive(request, sink) {
      const receiver = new CoreReceiver(state, request, sink)
      receivers.add(receiver)
      return receiver
    },
    close() {
      feed.close()
      lanes.close()
      for (const receiver of receivers) receiver.close()
    },
  }
}

function raise(error: unknown): never {
  throw error
}

/** The parts of a node, joined. */
function assemble(options: NodeOptions, head: Head): { state: NodeState; feed: Feed; receivers: Set<CoreReceiver> } {
  const { engine, runtime, limits } = options
  const tokens = new Tokens(head.starts)
  const cache = new PageCache(limits.pagesBytes)
  const counters = newCounters(cache)
  const lanes: Lanes = new Lanes(runtime, options.budgets ?? defaultBudgets, () => {
    cache.trim()
    reads.pump()
  })
  // Who waits in the lane may have a page in hand.
  const reads = new Reads(options.readsAtOnce ?? defaultReadsAtOnce, (most) => lanes.behindLength < most)
  const hubs = new Map<string, Hub>()
  const receivers = new Set<CoreReceiver>()
  const feed = new Feed(engine, runtime, {
    commit(commit) {
      if (commit.mark !== tokens.newestMark) tokens.add({ mark: commit.mark, first: commit.from + 1 })
      takeCommit(hubs, commit, counters)
      lanes.run()
    },
    jumped({ starts }) {
      tokens.replace(starts)
      for (const hub of hubs.values()) hub.jump(feed.place)
      lanes.run()
    },
  })
  const state: NodeState = {
    engine,
    runtime,
    tokens,
    cache,
    lanes,
    counters,
    hubs,
    reads,
    rules: new RuleBook(options.rules),
    sizes: options.sizes ?? defaultSizes,
    report: options.report ?? ((error) => runtime.soon(() => raise(error))),
    get place() {
      return feed.place
    },
    waitForFeed: (waiter) => feed.wait(waiter),
    ended: (receiver) => receivers.delete(receiver),
  }
  return { state, feed, receivers }
}

/** Entries into their hubs, in seq order; then each hub wakes who stands at its head. */
function takeCommit(hubs: Map<string, Hub>, commit: Commit, counters: NodeCounters): void {
  const { publications, deletions } = commit
  const touched: Hub[] = []
  counters.publications += publications.length
  let nextDeletion = 0
  const touch = (channel: string): Hub | undefined => {
    const hub = hubs.get(channel)
    if (hub !== undefined && !hub.touched) {
      hub.touched = true
      touched.push(hub)
    }
    return hub
  }
  const deleteBefore = (seq: number): void => {
    for (let deletion = deletions[nextDeletion]; deletion !== undefined && deletion.seq < seq; deletion = deletions[++nextDeletion]) {
      touch(deletion.channel)?.remove(deletion.seq)
    }
  }
  for (const publication of publications) {
    if (nextDeletion < deletions.length) deleteBefore(publication.seq)
    touch(publication.channel)?.take(publication)
  }
  deleteBefore(Number.POSITIVE_INFINITY)
  for (const hub of touched) hub.committed()
}

function newCounters(cache: PageCache): NodeCounters {
  return {
    publications: 0,
    deliveries: 0,
    parked: 0,
    receivers: 0,
    get pagesBytes() {
      return cache.bytes
    },
    gaps: { 'new-log': 0, diverged: 0, deleted: 0, trimmed: 0 },
  }
}
