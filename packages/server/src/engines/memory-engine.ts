import { channelMatcher, FanfareError } from '@fanfare/wire'
import type { Cursor, Keep, Message, Publication, Rule } from '@fanfare/wire'
import type {
  AppendAnswer,
  AppendRequest,
  Commit,
  Deletion,
  Engine,
  EngineOptions,
  EngineStats,
  EngineTraits,
  Facts,
  Head,
  Item,
  Page,
  Placed,
  Verdict,
} from './engine.ts'
import { backlogOf } from './memory/backlog.ts'
import { ChannelLog } from './memory/channel-log.ts'
import { channelBytes, entryBytes, itemCost, keyBytes, requestCost, stateCost } from './memory/costs.ts'
import { ExpiringMap } from './memory/expiring-map.ts'
import { Feed } from './memory/feed.ts'
import { freshMark } from './memory/mark.ts'

const sweepMs = 1000
/** Each channel is looked at for age at least once in so many sweeps, in slices that no event loop feels. */
const sweepsARound = 60
const sliceChannels = 1000
/** A wall clock that moved so much against the monotonic one has jumped: nothing is trimmed by age until it still says so at the next sweep. */
const jumpMs = 5000

/** Keeps everything in memory and forgets it with the process: the reference of the engine's contract. Each opening is another store. */
export async function openMemoryEngine(options: EngineOptions): Promise<Engine> {
  return new MemoryEngine(options)
}

class MemoryEngine implements Engine {
  readonly traits: EngineTraits = { name: 'memory', durable: 'memory', forks: 'never' }
  readonly #options: EngineOptions
  readonly #keepOf: (channel: string) => Keep
  readonly #mark: string
  readonly #feed: Feed
  readonly #channels = new Map<string, ChannelLog>()
  readonly #once = new ExpiringMap<Remembered>((key) => (this.#bytes -= keyBytes + key.length))
  readonly #state = new ExpiringMap<Uint8Array>((key, value) => (this.#bytes -= stateCost(key, value)))
  #seq = 0
  #time = 0
  #bytes = 0
  #publications = 0
  #forgottenThrough = 0
  #waiting: Waiting[] = []
  #waitingBytes = 0
  #round: Iterator<ChannelLog>
  #skew: number
  #stopSweep: () => void
  #closed = false

  constructor(options: EngineOptions) {
    const { runtime, rules } = options
    this.#options = options
    this.#keepOf = keepOf(rules)
    this.#mark = freshMark(runtime)
    this.#feed = new Feed(runtime)
    this.#round = this.#channels.values()
    this.#skew = runtime.now() - runtime.monotonic()
    this.#stopSweep = runtime.after(sweepMs, () => this.#sweep())
  }

  async append(request: AppendRequest): Promise<AppendAnswer> {
    this.#assertOpen()
    const bytes = requestCost(request)
    const most = this.#options.limits.commitWaitingBytes
    if (this.#waitingBytes > 0 && this.#waitingBytes + bytes > most)
      throw new FanfareError('overloaded', `more than ${most} bytes wait for their commit`)
    this.#waitingBytes += bytes
    return new Promise((resolve, reject) => {
      if (this.#waiting.push({ request, resolve, reject }) === 1) this.#options.runtime.soon(() => this.#commit())
    })
  }

  async read(channel: string, after: number, through: number): Promise<Page> {
    this.#assertOpen()
    const known = this.#channels.get(channel)
    const last = Math.min(through, this.#seq)
    const from = Math.min(after, last)
    return known?.page(from, last) ?? { channel, from, through: last, publications: [], facts: this.#unknownFacts() }
  }

  async facts(channel: string): Promise<Facts> {
    this.#assertOpen()
    return this.#channels.get(channel)?.facts ?? this.#unknownFacts()
  }

  async newest(channel: string, count: number, through: number): Promise<number> {
    this.#assertOpen()
    return this.#channels.get(channel)?.newest(count, through) ?? Math.min(this.#forgottenThrough, through)
  }

  follow(after: number, onCommit: (commit: Commit) => void): () => void {
    if (after > this.#seq) throw new RangeError(`the store has come to ${this.#seq}, not yet to ${after}`)
    return this.#feed.follow(after === this.#seq ? [] : backlogOf([...this.#channels.values()], after, this.#seq, this.#mark), onCommit)
  }

  async head(): Promise<Head> {
    this.#assertOpen()
    return { seq: this.#seq, starts: [{ mark: this.#mark, first: 1 }] }
  }

  /** This start can still commit every place beyond its head, so that its own mark is always the same history. */
  async check(cursor: Cursor): Promise<Verdict> {
    this.#assertOpen()
    if (cursor.mark === this.#mark) return cursor.seq <= this.#seq ? { kind: 'same' } : { kind: 'diverged', common: this.#seq }
    const sameStore = cursor.mark.slice(0, 8) === this.#mark.slice(0, 8)
    return sameStore ? { kind: 'diverged', common: null } : { kind: 'new-log' }
  }

  async channels(prefix: string, after: string, limit: number): Promise<readonly string[]> {
    this.#assertOpen()
    const names = [...this.#channels.keys()].filter((name) => name.startsWith(prefix) && name > after)
    return names.sort().slice(0, limit)
  }

  async getState(key: string): Promise<Uint8Array | undefined> {
    this.#assertOpen()
    return this.#state.get(key, this.#options.runtime.now())
  }

  stats(): EngineStats {
    return {
      channels: this.#channels.size,
      publications: this.#publications,
      bytes: this.#bytes,
      idempotencyKeys: this.#once.size,
      waitingBytes: this.#waitingBytes,
      failed: false,
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#commit()
    this.#closed = true
    this.#stopSweep()
    this.#feed.close()
    this.#channels.clear()
  }

  #assertOpen(): void {
    if (this.#closed) throw new FanfareError('storage-failed', 'the engine is closed')
  }

  #unknownFacts(): Facts {
    return new ChannelLog('', { publications: null, ageMs: null, bytes: null }, this.#forgottenThrough, 0).facts
  }

  /** Commits all that one turn has appended, answers, and tells those who follow. */
  #commit(): void {
    const waiting = this.#waiting
    if (waiting.length === 0) return
    this.#waiting = []
    this.#waitingBytes = 0
    this.#time = Math.max(this.#time, this.#options.runtime.now())
    const batch: Batch = { publications: [], deletions: [] }
    const from = this.#seq
    for (const { request, resolve, reject } of waiting) {
      try {
        resolve(this.#repeated(request) ?? this.#accept(request, batch))
      } catch (error) {
        reject(error as Error)
      }
    }
    if (this.#seq > from) this.#feed.tell({ from, through: this.#seq, mark: this.#mark, ...batch })
  }

  /** The answer of a request that is a repeat as a whole, or in conflict with what a key was used for. */
  #repeated({ items, once }: AppendRequest): AppendAnswer | undefined {
    const first = once === undefined ? undefined : this.#once.get(once.key, this.#time)
    if (first !== undefined)
      return first.print === once?.print ? { kind: 'placed', placed: first.placed.map(asReplayed) } : { kind: 'conflict', index: -1 }
    if (!items.some(hasKey)) return undefined
    const prints = new Map<string, string>()
    for (const [index, item] of items.entries()) {
      if (item.kind !== 'publication' || item.once === undefined) continue
      const { key, print } = item.once
      if ((this.#once.get(key, this.#time)?.print ?? prints.get(key) ?? print) !== print) return { kind: 'conflict', index }
      prints.set(key, print)
    }
    return undefined
  }

  /** All of the request, or an error and nothing of it. */
  #accept(request: AppendRequest, batch: Batch): AppendAnswer {
    this.#admit(request)
    const placed = request.items.map((item) => this.#place(item, batch))
    if (request.once !== undefined) this.#remember(request.once, placed)
    for (const { key, value, expires } of request.state ?? []) {
      if (value === null) {
        this.#state.delete(key)
        continue
      }
      this.#state.set(key, value, expires)
      this.#bytes += stateCost(key, value)
    }
    return { kind: 'placed', placed }
  }

  /** Throws where the request would break a limit. What its channels' rules would let go of in turn is not counted. */
  #admit(request: AppendRequest): void {
    const { limits } = this.#options
    const needed = this.#newcomers(request)
    if (this.#channels.size + needed.channels.size > limits.channels)
      throw new FanfareError('channels-full', `the store holds ${limits.channels} channels`)
    if (needed.keys.size > 0 && this.#once.size + needed.keys.size > limits.idempotencyKeys) {
      this.#once.purge(this.#time)
      if (this.#once.size + needed.keys.size > limits.idempotencyKeys)
        throw new FanfareError('idempotency-full', `the store remembers ${limits.idempotencyKeys} keys`)
    }
    if (needed.bytes > 0 && this.#bytes + needed.bytes > limits.memoryStoreBytes)
      throw new FanfareError('storage-full', `the store holds ${limits.memoryStoreBytes} bytes`)
  }

  /** What the request adds: channels, keys, and bytes (none for one that only deletes, which makes room). */
  #newcomers(request: AppendRequest): Newcomers {
    const { items, once, state } = request
    const [only] = items
    // Nearly every publish is one of these; what follows makes sets.
    if (
      items.length === 1 &&
      only?.kind === 'publication' &&
      only.once === undefined &&
      once === undefined &&
      state === undefined &&
      this.#channels.has(only.channel)
    )
      return { channels: none, keys: none, bytes: itemCost(only) }
    const channels = new Set<string>()
    const keys = new Set(request.once === undefined ? [] : [request.once.key])
    let bytes = 0
    for (const item of request.items) {
      const key = item.kind === 'publication' ? item.once?.key : undefined
      if (key !== undefined && (keys.has(key) || this.#once.get(key, this.#time) !== undefined)) continue
      if (key !== undefined) keys.add(key)
      if (!this.#channels.has(item.channel)) channels.add(item.channel)
      if (item.kind === 'publication') bytes += itemCost(item)
    }
    for (const { key, value } of request.state ?? []) bytes += value === null ? 0 : stateCost(key, value)
    return { channels, keys, bytes }
  }

  #place(item: Item, batch: Batch): Placed {
    const { channel } = item
    const once = item.kind === 'publication' ? item.once : undefined
    const first = once === undefined ? undefined : this.#once.get(once.key, this.#time)?.placed[0]
    if (first !== undefined) return asReplayed(first)
    const log = this.#log(channel)
    const seq = ++this.#seq
    const offset = item.kind === 'publication' ? log.nextOffset : 0
    const placed: Placed = { channel, offset, seq, time: this.#time, mark: this.#mark, replayed: false }
    const { count, bytes } = log
    if (item.kind === 'delete') {
      log.clear(seq, this.#time)
      batch.deletions.push({ channel, seq, time: this.#time })
    } else {
      const publication = publicationOf(item.message, placed)
      log.append(publication)
      log.trim(this.#time, false)
      batch.publications.push(publication)
    }
    this.#changed(log, count, bytes)
    if (once !== undefined) this.#remember(once, [placed])
    return placed
  }

  #remember({ key, print, expires }: NonNullable<AppendRequest['once']>, placed: readonly Placed[]): void {
    this.#once.set(key, { print, placed }, expires)
    this.#bytes += keyBytes + key.length
  }

  #log(channel: string): ChannelLog {
    const known = this.#channels.get(channel)
    if (known !== undefined) return known
    const log = new ChannelLog(channel, this.#keepOf(channel), this.#forgottenThrough, this.#time)
    this.#channels.set(channel, log)
    this.#bytes += channelBytes + channel.length
    return log
  }

  /** Keeps the store's sums, after a change of a log that had so much. */
  #changed(log: ChannelLog, count: number, bytes: number): void {
    this.#publications += log.count - count
    this.#bytes += log.bytes - bytes + (log.count - count) * entryBytes
  }

  /** Trims by age, forgets channels, lets go of keys and state that are over. */
  #sweep(): void {
    const { runtime, limits } = this.#options
    const now = runtime.now()
    const skew = now - runtime.monotonic()
    const jumped = Math.abs(skew - this.#skew) > jumpMs
    this.#skew = skew
    this.#stopSweep = runtime.after(sweepMs, () => this.#sweep())
    this.#once.purge(now)
    this.#state.purge(now)
    if (jumped) return
    for (let left = Math.max(sliceChannels, Math.ceil(this.#channels.size / sweepsARound)); left > 0; left--) {
      const next = this.#round.next()
      if (next.done === true) {
        this.#round = this.#channels.values()
        return
      }
      const log = next.value
      const { count, bytes } = log
      log.trim(now, true)
      this.#changed(log, count, bytes)
      if (log.isForgettable(now, limits.channelForgetMs)) this.#forget(log)
    }
  }

  #forget(log: ChannelLog): void {
    this.#forgottenThrough = Math.max(this.#forgottenThrough, log.lastPlace)
    this.#channels.delete(log.name)
    this.#bytes -= channelBytes + log.name.length
  }
}

interface Waiting {
  readonly request: AppendRequest
  readonly resolve: (answer: AppendAnswer) => void
  readonly reject: (error: Error) => void
}

interface Batch {
  readonly publications: Publication[]
  readonly deletions: Deletion[]
}

/** What a request adds. */
interface Newcomers {
  readonly channels: ReadonlySet<string>
  readonly keys: ReadonlySet<string>
  readonly bytes: number
}

const none: ReadonlySet<string> = new Set()

/** What a key was used for, and what was answered. */
interface Remembered {
  readonly print: string
  readonly placed: readonly Placed[]
}

function keepOf(rules: readonly Rule[]): (channel: string) => Keep {
  const fallback = rules.at(-1)
  if (fallback?.match !== '**') throw new RangeError('the last rule matches **')
  const matchers = rules.map(({ match, keep }) => ({ matches: channelMatcher(match), keep }))
  return (channel) => matchers.find(({ matches }) => matches(channel))?.keep ?? fallback.keep
}

function hasKey(item: Item): boolean {
  return item.kind === 'publication' && item.once !== undefined
}

/** Member by member, for every publish passes here, and a spread of the message is slow. */
function publicationOf({ data, format, type, event, id }: Message, { channel, offset, seq, time }: Placed): Publication {
  const own = ownBytes(data)
  if (event === undefined && id === undefined) {
    return type === undefined ? { data: own, format, channel, offset, seq, time } : { data: own, format, type, channel, offset, seq, time }
  }
  return { data: own, format, type, event, id, channel, offset, seq, time }
}

function asReplayed(placed: Placed): Placed {
  return { ...placed, replayed: true }
}

/** A part of a larger buffer is copied, so that ten bytes don't hold a pool of 64 KiB. */
function ownBytes(data: Uint8Array): Uint8Array {
  return data.byteLength === data.buffer.byteLength ? data : new Uint8Array(data)
}
