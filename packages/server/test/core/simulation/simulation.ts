import { defaultKeep, limits } from '@fanfare/wire'
import type { Rule } from '@fanfare/wire'
import type { createNode } from '../../../src/core/node.ts'
import type { FanfareNode } from '../../../src/core/node-contract.ts'
import { Violation } from './model.ts'
import { Random } from './random.ts'
import { SimClient } from './sim-client.ts'
import { SimEngine } from './sim-engine.ts'
import { SimRuntime } from './sim-runtime.ts'
import { SimStore } from './sim-store.ts'

export type CreateNode = typeof createNode

interface SimNode {
  readonly engine: SimEngine
  readonly runtime: SimRuntime
  node: FanfareNode | undefined
}

/** More tasks than this from the last event to rest: it never rests. */
const tasksToRest = 30_000

/** One store, two nodes whose feeds lag, clients that connect to either: all of it moved by one seed. */
export class Simulation {
  readonly #create: CreateNode
  readonly #random: Random
  readonly #store: SimStore
  readonly #channels: readonly string[]
  readonly #clients: SimClient[] = []
  readonly #nodes: SimNode[] = []
  readonly #shape: {
    readonly pageMost: number
    readonly rules: readonly Rule[]
    readonly pagesBytes: number
    readonly tailMost: number
    readonly pageBytes: number
    readonly members: number
  }
  /** What core caught: in a simulation nothing is caught for good. */
  readonly #reported: unknown[] = []
  readonly #budgets: { readonly writes: number; readonly bytes: number }

  constructor(seed: number, create: CreateNode) {
    const random = new Random(seed)
    this.#create = create
    this.#random = random
    const keep = random.pick([1, 3, 6, 12, 40, 1_000_000])
    this.#store = new SimStore(keep)
    this.#channels = ['a', 'b', 'c', 'd'].slice(0, random.between(1, 4))
    this.#budgets = { writes: random.pick([1, 5, 1000]), bytes: random.pick([1, 3000, 100_000]) }
    const rule: Rule = {
      match: '**',
      keep: { ...defaultKeep, publications: random.oneIn(3) ? null : keep },
      payloadBytes: 1000,
      public: false,
    }
    this.#shape = {
      pageMost: random.pick([1, 2, 3, 5, 128]),
      rules: [rule],
      pagesBytes: random.pick([0, 1500, 4000, 20_000, 10_000_000]),
      tailMost: random.pick([1, 2, 4, 128]),
      pageBytes: random.pick([1, 8, 100_000]),
      members: random.pick([1, 2, 3, 1000]),
    }
    const clients = random.between(4, 12)
    for (let i = 0; i < clients; i++) {
      const wanted = this.#channels.filter(() => random.oneIn(2))
      this.#clients.push(new SimClient(this.#store, random, wanted.length === 0 ? [random.pick(this.#channels)] : wanted))
    }
  }

  async run(steps: number): Promise<void> {
    this.#startNodes()
    const random = this.#random
    const calm = random.pick([100, 400, 1500])
    for (let i = 0; i < steps; i++) {
      this.#act()
      if (random.oneIn(3)) await Promise.resolve()
      if (random.oneIn(calm)) await this.#rest()
      if (this.#reported.length > 0) throw this.#reported[0]
    }
    await this.#rest()
    await this.#leave()
    if (this.#reported.length > 0) throw this.#reported[0]
  }

  #act(): void {
    const random = this.#random
    const choice = random.below(100)
    if (choice < 22) this.#append()
    else if (choice < 42) this.#moveNode(random.pick(this.#nodes))
    else if (choice < 62) this.#moveClient(random.pick(this.#clients))
    else if (choice < 80) this.#work(random.pick(this.#nodes))
    else if (choice < 90) this.#touch(random.pick(this.#clients))
    else if (choice < 96) this.#reconnect(random.pick(this.#clients))
    else if (random.oneIn(6)) this.#disturb()
  }

  #append(): void {
    const random = this.#random
    const items = Array.from({ length: random.oneIn(4) ? random.between(1, 5) : 1 }, () => ({
      channel: random.pick(this.#channels),
      remove: random.oneIn(60),
    }))
    this.#store.append(items)
  }

  #moveNode({ engine, runtime }: SimNode): void {
    if (engine.pending > 0 && this.#random.oneIn(2)) engine.answerOne()
    else if (engine.lag > 0) engine.tell()
    if (this.#random.oneIn(5)) runtime.pass(this.#random.pick([10, 200, 1000]))
  }

  #work({ runtime, engine }: SimNode): void {
    if (runtime.turns > 0) runtime.runTurn()
    else if (engine.pending > 0) engine.answerOne()
  }

  #moveClient({ link }: SimClient): void {
    if (link === undefined) return
    const random = this.#random
    link.drain(random.pick([1, 20, 60, 1000]))
    if (link.credit !== Number.POSITIVE_INFINITY && random.oneIn(2)) {
      link.credit += random.between(1, 100)
      link.wake()
    }
  }

  /** What a transport may do at any time, harmless or not. */
  #touch({ link }: SimClient): void {
    if (link === undefined) return
    const random = this.#random
    const { receiver, parked } = random.pick(link.sinks)
    const choice = random.below(4)
    if (choice < 2) receiver?.beat()
    else if (choice === 2) receiver?.expire()
    else if (!parked) receiver?.drained()
  }

  #reconnect(client: SimClient): void {
    if (!client.over && !this.#random.oneIn(3)) return
    const { node } = this.#random.pick(this.#nodes)
    if (client.over && client.link !== undefined && !this.#random.oneIn(4)) client.open()
    if (node !== undefined) client.connect(node)
  }

  #disturb(): void {
    const random = this.#random
    const store = this.#store
    switch (random.below(9)) {
      case 0:
      case 1:
        return store.trim(random.pick(this.#channels), random.below(5))
      case 2:
        return store.forget(random.pick(this.#channels))
      case 3:
        return store.copy()
      case 4:
        store.restart()
        return this.#restartNodes()
      case 5:
        if (store.restore()) this.#restartNodes()
        return
      case 6:
        if (random.oneIn(3)) {
          store.wipe()
          this.#restartNodes()
        }
        return
      default:
        return this.#restartNode(random.below(this.#nodes.length))
    }
  }

  #startNodes(): void {
    for (let i = 0; i < 2; i++) this.#nodes.push(this.#newNode())
  }

  #newNode(): SimNode {
    const engine = new SimEngine(this.#store, this.#random, this.#shape.pageMost)
    const runtime = new SimRuntime()
    const started: SimNode = { engine, runtime, node: undefined }
    const { rules, pagesBytes, tailMost, pageBytes, members } = this.#shape
    const options = {
      engine,
      runtime,
      rules,
      limits: { ...limits, pagesBytes },
      budgets: this.#budgets,
      readsAtOnce: 4,
      report: (error: unknown) => void this.#reported.push(error),
    }
    void this.#begin(started, { ...options, sizes: { pagePublications: tailMost, pageBytes, chunkMembers: members } })
    return started
  }

  async #begin(started: SimNode, options: Parameters<CreateNode>[0]): Promise<void> {
    started.node = await this.#create(options)
  }

  #restartNodes(): void {
    for (let i = 0; i < this.#nodes.length; i++) this.#restartNode(i)
  }

  /** Its connections are cut with what they had not read; nobody hears of it again. */
  #restartNode(index: number): void {
    const gone = this.#nodes[index]
    if (gone === undefined) return
    for (const client of this.#clients) if (client.node !== undefined && client.node === gone.node) client.cut()
    gone.node?.close()
    gone.engine.die()
    gone.runtime.die()
    this.#nodes[index] = this.#newNode()
  }

  /** Nothing disturbs any more: everything must come to stand, and everybody at the head. */
  async #rest(): Promise<void> {
    for (const { engine } of this.#nodes) engine.faulty = false
    for (const client of this.#clients) if (client.over && this.#random.oneIn(2)) this.#reconnect(client)
    let tasks = 0
    for (let seconds = 0; seconds < 5; seconds++) {
      for (const { runtime } of this.#nodes) runtime.pass(1000)
      for (let quiet = 0; quiet < 2; quiet++) {
        for (let i = 0; i < 12; i++) await Promise.resolve()
        const done = this.#settle()
        tasks += done
        if (done > 0) quiet = -1
        if (tasks > tasksToRest) throw new Violation(`livelock: no rest after ${tasks} tasks`)
      }
    }
    for (const client of this.#clients) this.#assertAtHead(client)
    for (const { engine } of this.#nodes) engine.faulty = true
  }

  /** Runs what is ready, and says how much that was. */
  #settle(): number {
    let done = 0
    for (const { engine, runtime } of this.#nodes) {
      for (; engine.lag > 0; done++) engine.tell()
      for (let i = engine.pending; i > 0; i--, done++) engine.answerOne()
      for (let i = runtime.turns; i > 0; i--, done++) runtime.runTurn()
    }
    for (const { link } of this.#clients) {
      if (link === undefined) continue
      if (link.buffered > 0 || link.credit < 500) done++
      link.credit = Math.max(link.credit, 500)
      link.drain(link.buffered)
    }
    return done
  }

  #assertAtHead({ link, node }: SimClient): void {
    if (link === undefined || node === undefined) return
    if (node.place !== this.#store.seq) throw new Violation(`stuck: the feed is at ${node.place} of ${this.#store.seq}`)
    for (const sink of link.sinks) {
      sink.assertUnchanged()
      if (sink.done) continue
      if (sink.request.reach === 'head') throw new Violation('stuck: a poll has no answer')
      if (sink.parked) throw new Violation('stuck: parked, and there is room')
      if (!sink.model.begun) throw new Violation('stuck: it has not begun')
      const behind = sink.model.behind(this.#store.seq)
      if (behind !== undefined) throw new Violation(`stuck: at rest it lacks ${behind}`)
    }
  }

  /** Everybody goes: nothing may be left behind. */
  async #leave(): Promise<void> {
    for (const client of this.#clients) client.cut()
    for (const { engine } of this.#nodes) while (engine.pending > 0) engine.answerOne()
    for (let i = 0; i < 12; i++) await Promise.resolve()
    for (const { runtime, node } of this.#nodes) {
      while (runtime.turns > 0) runtime.runTurn()
      if (node === undefined) continue
      const { receivers, parked, pagesBytes } = node.counters
      if (receivers + parked + pagesBytes !== 0)
        throw new Violation(`left: ${receivers} receivers, ${parked} parked, ${pagesBytes} bytes of pages`)
    }
  }
}
