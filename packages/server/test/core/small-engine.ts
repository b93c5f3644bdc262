import type { Cursor, Publication } from '@fanfare/wire'
import type {
  AppendAnswer,
  AppendRequest,
  Commit,
  Deletion,
  Engine,
  Facts,
  Head,
  Item,
  Page,
  Placed,
  Verdict,
} from '../../src/engines/engine.ts'

export const mark = 'storeAAAstartAAA'

interface Entry {
  readonly publication?: Publication
  readonly deletion?: Deletion
  readonly seq: number
}

/** The least that is an engine: an array. Answers in later microtasks; `hold` keeps notifications back until `release`. */
export class SmallEngine implements Engine {
  readonly traits = { name: 'small', durable: 'memory', forks: 'never' } as const
  readonly log: Entry[] = []
  readonly trimmed = new Map<string, { seq: number; offset: number | null }>()
  readonly #once = new Map<string, { print: string; placed: readonly Placed[] }>()
  readonly #followers = new Set<() => void>()
  reads = 0
  held = false
  failing: Error | undefined
  keep = Number.POSITIVE_INFINITY
  verdict: ((cursor: Cursor) => Verdict) | undefined

  async append({ items, once }: AppendRequest): Promise<AppendAnswer> {
    if (this.failing !== undefined) throw this.failing
    const known = once === undefined ? undefined : this.#once.get(once.key)
    if (known !== undefined && once !== undefined) {
      if (known.print !== once.print) return { kind: 'conflict', index: -1 }
      return { kind: 'placed', placed: known.placed.map((placed) => ({ ...placed, replayed: true })) }
    }
    for (const [index, item] of items.entries()) {
      const before = item.kind === 'publication' && item.once !== undefined ? this.#once.get(item.once.key) : undefined
      if (before !== undefined && item.kind === 'publication' && before.print !== item.once?.print) return { kind: 'conflict', index }
    }
    const placed = items.map((item) => this.#place(item))
    if (once !== undefined) this.#once.set(once.key, { print: once.print, placed })
    for (const item of items) this.#trim(item.channel)
    if (!this.held) this.release()
    return { kind: 'placed', placed }
  }

  release(): void {
    this.held = false
    for (const tell of this.#followers) tell()
  }

  async read(channel: string, after: number, through: number): Promise<Page> {
    this.reads++
    if (this.failing !== undefined) throw this.failing
    const kept = this.#kept(channel).filter(({ seq }) => seq > after && seq <= through)
    const publications = kept.slice(0, 4)
    const end = kept.length > 4 ? (publications.at(-1)?.seq ?? through) : through
    return { channel, from: after, through: end, publications, facts: await this.facts(channel) }
  }

  facts(channel: string): Promise<Facts> {
    const all = this.#all(channel)
    const kept = this.#kept(channel)
    return Promise.resolve({
      trimmed: this.trimmed.get(channel) ?? { seq: 0, offset: 0 },
      deletedAt: this.#deletedAt(channel),
      lastSeq: all.at(-1)?.seq ?? 0,
      lastOffset: all.at(-1)?.offset ?? 0,
      count: kept.length,
      bytes: kept.reduce((sum, { data }) => sum + data.length, 0),
    })
  }

  newest(channel: string, count: number, through: number): Promise<number> {
    const kept = this.#kept(channel).filter(({ seq }) => seq <= through)
    if (count === 0) return Promise.resolve(Math.max(kept.at(-1)?.seq ?? 0, Math.min(through, this.#deletedAt(channel))))
    return Promise.resolve((kept.at(-count) ?? kept[0])?.seq === undefined ? through : ((kept.at(-count) ?? kept[0])?.seq ?? 1) - 1)
  }

  follow(from: number, onCommit: (commit: Commit) => void): () => void {
    let told = from
    let ended = false
    const tell = (): void => {
      if (this.held || ended || told >= this.log.length) return
      const entries = this.log.filter(({ seq }) => seq > told)
      const commit: Commit = {
        from: told,
        through: this.log.length,
        mark,
        publications: entries.flatMap(({ publication }) => publication ?? []),
        deletions: entries.flatMap(({ deletion }) => deletion ?? []),
      }
      told = this.log.length
      onCommit(commit)
    }
    this.#followers.add(tell)
    queueMicrotask(tell)
    return () => {
      ended = true
      this.#followers.delete(tell)
    }
  }

  head(): Promise<Head> {
    return Promise.resolve({ seq: this.log.length, starts: [{ mark, first: 1 }] })
  }

  check(cursor: Cursor): Promise<Verdict> {
    return Promise.resolve(this.verdict?.(cursor) ?? { kind: 'same' })
  }

  channels(): Promise<readonly string[]> {
    return Promise.resolve([])
  }

  getState(): Promise<undefined> {
    return Promise.resolve(undefined)
  }

  stats(): ReturnType<Engine['stats']> {
    return { channels: 0, publications: this.log.length, bytes: 0, idempotencyKeys: 0, waitingBytes: 0, failed: false }
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  #place(item: Item): Placed {
    const { channel } = item
    const seq = this.log.length + 1
    const time = seq
    const known = item.kind === 'publication' && item.once !== undefined ? this.#once.get(item.once.key) : undefined
    if (known?.placed[0] !== undefined) return { ...known.placed[0], replayed: true }
    const offset = item.kind === 'delete' ? 0 : (this.#all(channel).at(-1)?.offset ?? 0) + 1
    this.log.push(
      item.kind === 'delete'
        ? { seq, deletion: { channel, seq, time } }
        : { seq, publication: { ...item.message, channel, offset, seq, time } },
    )
    const placed: Placed = { channel, offset, seq, time, mark, replayed: false }
    if (item.kind === 'publication' && item.once !== undefined) this.#once.set(item.once.key, { print: item.once.print, placed: [placed] })
    return placed
  }

  #trim(channel: string): void {
    const kept = this.#kept(channel)
    const last = kept[kept.length - this.keep - 1]
    if (last !== undefined) this.trimmed.set(channel, { seq: last.seq, offset: last.offset })
  }

  #all(channel: string): Publication[] {
    return this.log.flatMap(({ publication }) => (publication?.channel === channel ? [publication] : []))
  }

  #deletedAt(channel: string): number {
    return this.log.filter(({ deletion }) => deletion?.channel === channel).at(-1)?.seq ?? 0
  }

  #kept(channel: string): Publication[] {
    const lost = Math.max(this.trimmed.get(channel)?.seq ?? 0, this.#deletedAt(channel))
    return this.#all(channel).filter(({ seq }) => seq > lost)
  }
}
