import type { Cursor, Publication } from '@fanfare/wire'
import type { Commit, Deletion, Facts, Start, Verdict } from '../../../src/engines/engine.ts'

/** Everything that ever was in one channel of the history that counts now, kept or not. */
export interface ChannelHistory {
  readonly entries: Publication[]
  /** Index of the first entry that is kept. */
  keptFrom: number
  offset: number
  lastSeq: number
  trimmed: { seq: number; offset: number | null }
  deletedAt: number
  /** All that ever were, ascending. */
  readonly deletions: number[]
  known: boolean
}

interface Snapshot {
  readonly storeId: string
  readonly seq: number
  readonly starts: readonly Start[]
  readonly commits: number
  readonly forgottenThrough: number
  readonly channels: ReadonlyMap<string, ChannelHistory>
}

const data = new TextEncoder()
let storesMade = 0

/**
 * The truth: one commit order with retention, deletion, forgetting, restarts, restored copies and wipes. The engine of the simulation answers from it
 * and the model judges by it.
 */
export class SimStore {
  seq = 0
  storeId = ''
  starts: Start[] = []
  commits: Commit[] = []
  channels = new Map<string, ChannelHistory>()
  forgottenThrough = 0
  readonly keep: number
  #startsMade = 0
  #snapshot: Snapshot | undefined

  constructor(keep: number) {
    this.keep = keep
    this.wipe()
  }

  get mark(): string {
    return this.starts.at(-1)?.mark ?? ''
  }

  channel(name: string): ChannelHistory {
    let channel = this.channels.get(name)
    if (channel === undefined) {
      channel = {
        entries: [],
        keptFrom: 0,
        offset: 0,
        lastSeq: 0,
        trimmed: { seq: 0, offset: 0 },
        deletedAt: 0,
        deletions: [],
        known: false,
      }
      this.channels.set(name, channel)
    }
    return channel
  }

  /** One commit; `null` deletes. */
  append(items: readonly { readonly channel: string; readonly remove: boolean }[]): void {
    const from = this.seq
    const publications: Publication[] = []
    const deletions: Deletion[] = []
    for (const item of items) {
      const channel = this.channel(item.channel)
      const seq = ++this.seq
      this.#make(channel)
      channel.lastSeq = seq
      if (item.remove) {
        channel.deletedAt = seq
        channel.deletions.push(seq)
        channel.keptFrom = channel.entries.length
        deletions.push({ channel: item.channel, seq, time: seq })
      } else {
        const publication: Publication = {
          channel: item.channel,
          offset: ++channel.offset,
          seq,
          time: seq,
          data: data.encode(String(seq)),
          format: 'text',
        }
        channel.entries.push(publication)
        publications.push(publication)
      }
    }
    this.commits.push({ from, through: this.seq, mark: this.mark, publications, deletions })
    for (const { channel } of items) this.trim(channel, this.keep)
  }

  trim(name: string, keep: number): void {
    const channel = this.channel(name)
    const first = channel.entries.length - keep
    if (first <= channel.keptFrom) return
    channel.keptFrom = first
    const last = channel.entries[first - 1]
    if (last !== undefined) channel.trimmed = { seq: last.seq, offset: last.offset }
  }

  /** Nothing of it is kept any more, and its name is forgotten. */
  forget(name: string): void {
    const channel = this.channel(name)
    if (!channel.known || channel.keptFrom < channel.entries.length) return
    this.forgottenThrough = Math.max(this.forgottenThrough, channel.lastSeq)
    channel.known = false
    channel.offset = 0
    channel.deletedAt = 0
    channel.trimmed = { seq: 0, offset: 0 }
  }

  facts(name: string): Facts {
    const channel = this.channel(name)
    if (!channel.known)
      return { trimmed: { seq: this.forgottenThrough, offset: null }, deletedAt: 0, lastSeq: 0, lastOffset: 0, count: 0, bytes: 0 }
    const { trimmed, deletedAt } = channel
    const last = channel.offset === 0 ? undefined : channel.entries.at(-1)
    return {
      trimmed: { ...trimmed },
      deletedAt,
      lastSeq: last?.seq ?? 0,
      lastOffset: channel.offset,
      count: channel.entries.length - channel.keptFrom,
      bytes: 0,
    }
  }

  /** Kept publications in (after, through]. */
  kept(name: string, after: number, through: number): Publication[] {
    const channel = this.channel(name)
    const found: Publication[] = []
    for (let i = channel.keptFrom; i < channel.entries.length; i++) {
      const entry = channel.entries[i]
      if (entry !== undefined && entry.seq > after && entry.seq <= through) found.push(entry)
    }
    return found
  }

  newest(name: string, count: number, through: number): number {
    const channel = this.channel(name)
    if (!channel.known) return Math.min(through, this.forgottenThrough)
    if (count === 0) {
      const entry = channel.entries.filter(({ seq }) => seq <= through).at(-1)?.seq ?? 0
      return Math.max(entry, channel.deletedAt <= through ? channel.deletedAt : 0, Math.min(through, channel.trimmed.seq))
    }
    const kept = this.kept(name, 0, through)
    const first = kept[Math.max(0, kept.length - count)]
    return first === undefined ? through : first.seq - 1
  }

  check({ mark, seq }: Cursor): Verdict {
    if (!mark.startsWith(this.storeId)) return { kind: 'new-log' }
    const index = this.starts.findIndex((start) => start.mark === mark)
    const next = this.starts[index + 1]
    if (index < 0) return { kind: 'diverged', common: null }
    if (next === undefined || seq < next.first) return { kind: 'same' }
    return { kind: 'diverged', common: next.first - 1 }
  }

  markOf(seq: number): string {
    return this.starts.filter(({ first }) => first <= seq).at(-1)?.mark ?? this.starts[0]?.mark ?? ''
  }

  copy(): void {
    const { storeId, seq, forgottenThrough } = this
    this.#snapshot = {
      storeId,
      seq,
      forgottenThrough,
      starts: [...this.starts],
      commits: this.commits.length,
      channels: copied(this.channels),
    }
  }

  /** As a process that begins again on the same files. */
  restart(): void {
    this.#start()
  }

  /** As a process that begins on an older copy of its files. False where none was taken of this store. */
  restore(): boolean {
    const snapshot = this.#snapshot
    if (snapshot === undefined || snapshot.storeId !== this.storeId) return false
    this.seq = snapshot.seq
    this.starts = [...snapshot.starts]
    this.commits = this.commits.slice(0, snapshot.commits)
    this.channels = copied(snapshot.channels)
    this.forgottenThrough = snapshot.forgottenThrough
    this.#start()
    return true
  }

  wipe(): void {
    this.seq = 0
    this.storeId = `s${String(++storesMade % 1_000_000).padStart(7, '0')}`
    this.starts = []
    this.commits = []
    this.channels = new Map()
    this.forgottenThrough = 0
    this.#start()
  }

  #start(): void {
    this.starts.push({ mark: `${this.storeId}t${String(++this.#startsMade).padStart(7, '0')}`, first: this.seq + 1 })
  }

  #make(channel: ChannelHistory): void {
    if (channel.known) return
    channel.known = true
    channel.trimmed = { seq: this.forgottenThrough, offset: this.forgottenThrough === 0 ? 0 : null }
  }
}

function copied(channels: ReadonlyMap<string, ChannelHistory>): Map<string, ChannelHistory> {
  return new Map(
    [...channels].map(([name, channel]) => [
      name,
      { ...channel, entries: [...channel.entries], deletions: [...channel.deletions], trimmed: { ...channel.trimmed } },
    ]),
  )
}
