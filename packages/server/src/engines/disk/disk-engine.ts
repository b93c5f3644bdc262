import { type Cursor, FanfareError, type Publication } from '@fanfare/wire'
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
  Page,
  Start,
  Verdict,
} from '../engine.ts'
import { type CommitLane, localCommitLane, workerCommitLane } from './commit-lane.ts'
import { Committer } from './committer.ts'
import type { Frame } from './frame.ts'
import { Feed } from './feed.ts'
import { type Files, nodeFiles } from './files.ts'
import { isFull } from './full.ts'
import { type KeeperLane, localKeeperLane, workerKeeperLane } from './keeper-lane.ts'
import { identifier, type OpenedStore, openStore } from './opening.ts'
import { lockDirectory, type OwnerLock } from './owner-lock.ts'
import { localReaderLane, type ReaderLane, workerReaderLane } from './reader-lane.ts'
import { Reading } from './reading.ts'
import { bytesOf } from './reserve.ts'
import { segmentMostBytes } from './choosing.ts'
import { TrustedClock } from './trusted-clock.ts'
import { Upkeep } from './upkeep.ts'

const MiB = 1024 * 1024
const mostTold = 1000

export interface DiskOptions {
  readonly directory: string
  /** Moves what is damaged aside and goes on without it; what it held is lost, and cursors of it are told so. */
  readonly repair?: boolean
  /** Size of the first journal; each next one is twice as large, up to `journalMostBytes`. 1 MiB and 64 MiB. */
  readonly journalBytes?: number
  readonly journalMostBytes?: number
  /** Most bytes of all files; then 507 `storage-full`. 80 % of what is free and its own together counts besides. */
  readonly storageBytes?: number
  /** Segments are merged by eights of a size, from the first of these sizes up to the second: 1 MiB and 512 MiB. */
  readonly mergeFromBytes?: number
  readonly mergeMostBytes?: number
  /** What only the operator can mend: a full disk, a part that can't be read, work beside appends that failed. Messages name files; clients are not told them. */
  readonly onTrouble?: (error: Error) => void
  /** In place of the machine's files and threads: the store then works on the event loop. For tests. */
  readonly files?: Files
}

/** The default engine: a log of its own in a directory, synced before it answers. docs/decisions/0005-disk-format.md says how it lies there. */
export async function openDiskEngine(options: EngineOptions & DiskOptions): Promise<Engine> {
  const { runtime, directory } = options
  let lock: OwnerLock | undefined
  try {
    const files = options.files ?? nodeFiles(directory)
    const name = identifier((count) => runtime.random(count))
    if (options.files === undefined) lock = await lockDirectory(directory, name, (ms, call) => runtime.after(ms, call))
    return new DiskEngine(options, files, lock, open(options, files))
  } catch (error) {
    await lock?.release()
    throw notStarted(error as Error, directory)
  }
}

/** An error of the system, with the directory and the way out. */
function notStarted(error: Error, directory: string): Error {
  if (error instanceof FanfareError || !('code' in error)) return error
  if (isFull(error))
    return new FanfareError(
      'storage-full',
      `The store in ${directory} can not start: the disk is full (${error.message}). Make 1 MiB of space there, or move the directory to another disk, and start again.`,
      { cause: error },
    )
  return new FanfareError(
    'storage-failed',
    `The store in ${directory} can not start (${error.message}). It has to be a directory that this user may read and write.`,
    { cause: error },
  )
}

function open(options: EngineOptions & DiskOptions, files: Files): OpenedStore {
  const { runtime, journalBytes = MiB } = options
  return openStore(files, {
    rules: options.rules,
    limits: options.limits,
    random: (count) => runtime.random(count),
    now: runtime.now(),
    journalBytes,
    repair: options.repair ?? false,
  })
}

class DiskEngine implements Engine {
  readonly traits: EngineTraits = { name: 'disk', durable: 'synced', forks: 'told' }
  readonly #options: EngineOptions & DiskOptions
  readonly #store: OpenedStore
  readonly #starts: readonly Start[]
  readonly #mark: string
  readonly #clock: TrustedClock
  readonly #lock: OwnerLock | undefined
  readonly #commits: CommitLane
  readonly #reader: ReaderLane
  readonly #keeper: KeeperLane
  readonly #committer: Committer
  readonly #reading: Reading
  readonly #feed: Feed
  readonly #upkeep: Upkeep
  readonly #told = new Set<string>()
  #head: number
  #closed: Promise<void> | undefined

  constructor(options: EngineOptions & DiskOptions, files: Files, lock: OwnerLock | undefined, store: OpenedStore) {
    this.#lock = lock
    const { runtime, directory } = options
    this.#options = options
    this.#store = store
    this.#starts = store.manifest.starts.map(({ id, first }) => ({ mark: store.manifest.store + id, first }))
    this.#mark = this.#starts.at(-1)!.mark
    this.#clock = new TrustedClock(runtime)
    this.#head = store.head
    const soon = (call: () => void) => runtime.soon(call)
    const keeperData = {
      directory,
      manifest: store.manifest,
      storageBytes: options.storageBytes ?? Number.MAX_SAFE_INTEGER,
      mergeFromBytes: options.mergeFromBytes ?? MiB,
      mergeMostBytes: options.mergeMostBytes ?? segmentMostBytes,
    }
    const local = options.files !== undefined
    this.#commits = local ? localCommitLane(files, soon) : workerCommitLane(directory)
    this.#reader = local ? localReaderLane(files, soon) : workerReaderLane(directory)
    this.#keeper = local ? localKeeperLane(files, keeperData, soon) : workerKeeperLane(keeperData)
    this.#reading = new Reading({
      table: store.table,
      index: store.index,
      segments: store.segments,
      lane: this.#reader,
      now: () => this.#clock.now(),
      forgottenThrough: () => this.#upkeep.forgottenThrough,
      onDamage: (error) => this.#tellOnce(error),
    })
    this.#feed = new Feed({
      runtime,
      head: () => this.#head,
      read: (after, through) => this.#readCommit(after, through),
      onFailure: (error) => options.onTrouble?.(error),
    })
    this.#upkeep = this.#makeUpkeep()
    this.#upkeep.setBytes(bytesOf(files))
    this.#committer = this.#makeCommitter()
  }

  append(request: AppendRequest): Promise<AppendAnswer> {
    return this.#committer.append(request)
  }

  read(channel: string, after: number, through: number): Promise<Page> {
    return this.#reading.page(channel, after, through)
  }

  facts(channel: string): Promise<Facts> {
    return this.#reading.facts(channel)
  }

  newest(channel: string, count: number, through: number): Promise<number> {
    return this.#reading.newest(channel, count, through)
  }

  follow(after: number, onCommit: (commit: Commit) => void): () => void {
    return this.#feed.follow(after, onCommit)
  }

  head(): Promise<Head> {
    return Promise.resolve({ seq: this.#head, starts: this.#starts })
  }

  check(cursor: Cursor): Promise<Verdict> {
    return Promise.resolve(this.#verdict(cursor))
  }

  async channels(prefix: string, after: string, limit: number): Promise<readonly string[]> {
    const { table } = this.#store
    const names: string[] = []
    for (let id = 1; id < table.end; id++) {
      const name = table.names.name(id)
      if (name !== undefined && name > after && name.startsWith(prefix)) names.push(name)
      if (id % 65_536 === 0) await new Promise<void>((resolve) => this.#options.runtime.soon(resolve))
    }
    return names.sort((a, b) => (a < b ? -1 : 1)).slice(0, limit)
  }

  async getState(key: string): Promise<Uint8Array | undefined> {
    const entry = this.#store.state.findValue(key, this.#options.runtime.now())
    if (entry === undefined) return undefined
    await this.#committer.whenCommitted(entry.frame)
    return entry.value
  }

  stats(): EngineStats {
    return {
      channels: this.#store.table.names.count,
      publications: this.#store.table.publications,
      bytes: this.#upkeep.bytes,
      idempotencyKeys: this.#store.state.onceCount,
      waitingBytes: this.#committer.waitingBytes,
      failed: this.#committer.failure !== undefined,
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    await this.#committer.close()
    this.#upkeep.close()
    this.#feed.close()
    await this.#keeper.close()
    await this.#reader.close()
    await this.#commits.close()
    await this.#lock?.release()
  }

  /** The same damage is met at every read. */
  #tellOnce(error: Error): void {
    if (this.#closed !== undefined || this.#told.has(error.message)) return
    if (this.#told.size >= mostTold) this.#told.clear()
    this.#told.add(error.message)
    this.#options.onTrouble?.(error)
  }

  #makeCommitter(): Committer {
    const { runtime, limits } = this.#options
    const store = this.#store
    return new Committer({
      runtime,
      limits,
      table: store.table,
      state: store.state,
      lane: this.#commits,
      mark: this.#mark,
      start: this.#starts.length,
      head: store.head,
      lastTime: store.lastTime,
      synced: store.synced,
      current: store.current,
      spares: store.spares,
      now: () => runtime.now(),
      forgottenThrough: () => this.#upkeep.forgottenThrough,
      onCommit: (frame) => this.#onCommit(frame),
      onFailure: (error) => this.#options.onTrouble?.(error),
      onJournal: (row, before) => this.#upkeep.beginJournal(row, before),
      wantJournal: (bytes) => void this.#upkeep.wantJournal(bytes),
    })
  }

  #makeUpkeep(): Upkeep {
    const { runtime, limits, journalBytes = MiB, journalMostBytes = 64 * MiB } = this.#options
    return new Upkeep({
      runtime,
      store: this.#store,
      keeper: this.#keeper,
      reader: this.#reader,
      reading: this.#reading,
      now: () => this.#clock.now(),
      channelForgetMs: limits.channelForgetMs,
      journalLeastBytes: journalBytes,
      journalMostBytes,
      forget: (most, choose) => this.#committer.forget(most, choose),
      onJournal: (row) => this.#committer.addJournal(row),
      onNoJournal: (error) => this.#committer.refuseJournal(error),
      onTrouble: (error) => this.#options.onTrouble?.(error),
    })
  }

  #onCommit(frame: Frame): void {
    const { table, index } = this.#store
    for (const [n, item] of frame.items.entries()) {
      const { seq, time, offset } = frame.placed[n]!
      const channel = frame.channels[n]!
      const place = frame.place + frame.positions[n]!
      const before = frame.before[n]!
      if (item.kind === 'publication') {
        index.addPublication(seq, place, table.lastSeq.get(channel), offset)
        table.applyPublication(channel, offset, seq, time, before, item.message.data.length)
      } else {
        index.addDeletion(seq, place)
        table.applyDeletion(channel, before, seq, time, { offset: table.trimmedOffset.get(channel), seq: table.trimmedSeq.get(channel) })
      }
    }
    for (const id of frame.forgotten) table.forget(id)
    this.#head = frame.lastSeq
    this.#upkeep.onCommit(frame)
    this.#feed.tell(frame, this.#mark)
    // It has work after some hundred commits, and would start in the middle of deliveries then.
    this.#keeper.start()
  }

  #verdict({ mark, seq }: Cursor): Verdict {
    if (mark.slice(0, 8) !== this.#store.manifest.store) return { kind: 'new-log' }
    const start = this.#starts.findIndex((row) => row.mark === mark)
    if (start < 0) return { kind: 'diverged', common: null }
    const next = this.#starts[start + 1]
    const last = next === undefined ? this.#committer.assigned : next.first - 1
    return seq <= last ? { kind: 'same' } : { kind: 'diverged', common: last }
  }

  #markAt(seq: number): Start {
    return this.#starts.findLast(({ first }) => first <= seq) ?? this.#starts[0]!
  }

  async #readCommit(after: number, through: number): Promise<Commit> {
    const { mark } = this.#markAt(after + 1)
    const next = this.#starts.find(({ first }) => first > after + 1)
    const read = await this.#reading.entries(after, Math.min(through, (next?.first ?? Infinity) - 1))
    const publications: Publication[] = []
    const deletions: Deletion[] = []
    for (const { id, seq, time, publication } of read.entries) {
      const channel = this.#store.table.names.name(id)
      // Forgotten meanwhile.
      if (channel === undefined) continue
      if (publication === undefined) deletions.push({ channel, seq, time })
      else publications.push({ ...publication, channel })
    }
    return { from: after, through: read.through, mark, publications, deletions }
  }
}
