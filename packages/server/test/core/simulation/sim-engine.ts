import { FanfareError } from '@fanfare/wire'
import type { Cursor } from '@fanfare/wire'
import type { AppendAnswer, Commit, Engine, EngineStats, Facts, Head, Page, Verdict } from '../../../src/engines/engine.ts'
import type { Random } from './random.ts'
import type { SimStore } from './sim-store.ts'

interface Follower {
  told: number
  /** What was committed up to here is told late: only what is still kept, and of a channel's deletions the newest. */
  readonly late: number
  readonly onCommit: (commit: Commit) => void
}

/** How one node sees the store: answers are late and in any order, notifications lag, are joined, repeated or lost. */
export class SimEngine implements Engine {
  readonly traits = { name: 'simulated', durable: 'memory', forks: 'told' } as const
  readonly #store: SimStore
  readonly #random: Random
  readonly #pageMost: number
  #answers: (() => void)[] = []
  #follower: Follower | undefined
  faulty = true
  #dead = false

  constructor(store: SimStore, random: Random, pageMost: number) {
    this.#store = store
    this.#random = random
    this.#pageMost = pageMost
  }

  get pending(): number {
    return this.#answers.length
  }

  get lag(): number {
    return this.#follower === undefined ? 0 : this.#store.seq - this.#follower.told
  }

  /** One of the questions gets its answer, whichever. */
  answerOne(): void {
    const index = this.#random.below(this.#answers.length)
    const [answer] = this.#answers.splice(index, 1)
    answer?.()
  }

  /** The next commits are told, one or several as one. */
  tell(): void {
    const follower = this.#follower
    if (follower === undefined) return
    const { commits } = this.#store
    const index = commits.findIndex(({ through }) => through > follower.told)
    const first = commits[index]
    if (first === undefined) return
    if (this.faulty && this.#random.oneIn(40)) {
      follower.told = first.through
      return
    }
    let commit: Commit = first
    for (
      let next = commits[index + 1];
      next !== undefined && next.mark === commit.mark && this.#random.oneIn(2);
      next = commits[commits.indexOf(next) + 1]
    ) {
      commit = {
        ...commit,
        through: next.through,
        publications: [...commit.publications, ...next.publications],
        deletions: [...commit.deletions, ...next.deletions],
      }
    }
    follower.told = commit.through
    if (commit.from < follower.late) commit = this.#whatIsKept(commit)
    follower.onCommit(commit)
    if (this.faulty && this.#random.oneIn(30) && this.#follower === follower) follower.onCommit(commit)
  }

  #whatIsKept(commit: Commit): Commit {
    const store = this.#store
    return {
      ...commit,
      publications: commit.publications.filter(({ channel, seq }) => store.kept(channel, seq - 1, seq).length > 0),
      deletions: commit.deletions.filter(({ channel, seq }) => store.channel(channel).deletedAt === seq),
    }
  }

  /** The process is gone: nothing is answered or told any more. */
  die(): void {
    this.#dead = true
    this.#answers = []
    this.#follower = undefined
  }

  append(): Promise<AppendAnswer> {
    return Promise.reject(new FanfareError('not-available', 'the simulation writes into the store'))
  }

  read(channel: string, after: number, through: number): Promise<Page> {
    return this.#answer(() => {
      const kept = this.#store.kept(channel, after, through)
      const publications = kept.slice(0, this.#pageMost)
      const end = kept.length > publications.length ? (publications.at(-1)?.seq ?? through) : through
      return { channel, from: after, through: end, publications, facts: this.#store.facts(channel) }
    }, true)
  }

  facts(channel: string): Promise<Facts> {
    return this.#answer(() => this.#store.facts(channel))
  }

  newest(channel: string, count: number, through: number): Promise<number> {
    return this.#answer(() => this.#store.newest(channel, count, through))
  }

  follow(after: number, onCommit: (commit: Commit) => void): () => void {
    if (this.#dead) return () => undefined
    if (after > this.#store.seq) throw new RangeError('beyond the head')
    const follower: Follower = { told: after, late: this.#store.seq, onCommit }
    this.#follower = follower
    return () => {
      if (this.#follower === follower) this.#follower = undefined
    }
  }

  head(): Promise<Head> {
    return this.#answer(() => ({ seq: this.#store.seq, starts: [...this.#store.starts] }))
  }

  check(cursor: Cursor): Promise<Verdict> {
    return this.#answer(() => this.#store.check(cursor))
  }

  channels(): Promise<readonly string[]> {
    return Promise.resolve([...this.#store.channels.keys()])
  }

  getState(): Promise<undefined> {
    return Promise.resolve(undefined)
  }

  stats(): EngineStats {
    return { channels: 0, publications: 0, bytes: 0, idempotencyKeys: 0, waitingBytes: 0, failed: false }
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  /** Reckoned when it was asked or when it is answered: both happen. */
  #answer<T>(make: () => T, mayFail = false): Promise<T> {
    if (this.#dead) return new Promise(() => undefined)
    const early = this.#random.oneIn(2) ? { value: make() } : undefined
    const fails = mayFail && this.faulty && this.#random.oneIn(200)
    return new Promise((resolve, reject) => {
      this.#answers.push(() => {
        if (fails) reject(new FanfareError('storage-failed', 'a read failed'))
        else resolve(early === undefined ? make() : early.value)
      })
    })
  }
}
