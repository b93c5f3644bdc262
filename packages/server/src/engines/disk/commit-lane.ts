import { Worker } from 'node:worker_threads'
import type { Block } from './crc.ts'
import { blockOf } from './crc.ts'
import type { Files, OpenFile } from './files.ts'
import { workerUrl } from './lane.ts'
import { journalName } from './manifest.ts'

/** Writes one frame at a time and syncs it. */
export interface CommitLane {
  /** The two blocks that frames are collected in, by turns. */
  readonly blocks: readonly [Block, Block]
  /** A block for a frame that is larger than those. */
  bigBlock(size: number): Block
  /** Calls back once, in a later turn; with an error where the frame may not be on the disk. */
  commit(job: CommitJob, done: (error: Error | undefined) => void): void
  close(): Promise<void>
}

export interface CommitJob {
  readonly block: Block
  readonly length: number
  readonly journal: number
  readonly place: number
}

export const frameBlockBytes = 1024 * 1024 + 64 * 1024

/** Words of the shared ring. */
export const ring = { turn: 0, slot: 1, length: 2, journal: 3, place: 4, end: 5, words: 8 } as const
/** In `slot`: the frame comes as a message. */
export const bigSlot = 2

/** Keeps the journal open that frames go to, and none before it: a file that was removed takes its space until it is closed. */
export class JournalWriter {
  readonly #files: Files
  #open: OpenFile | undefined

  constructor(files: Files) {
    this.#files = files
  }

  write(bytes: Uint8Array, journal: number, place: number): void {
    const file = this.#fileOf(journalName(journal))
    file.write(bytes, place)
    file.sync()
  }

  close(): void {
    this.#open?.close()
    this.#open = undefined
  }

  #fileOf(name: string): OpenFile {
    if (this.#open?.name === name) return this.#open
    const file = this.#files.open(name)
    this.close()
    this.#open = file
    return file
  }
}

/** Frames are written by a thread that waits on shared memory: a thread pool would hold commits up behind whatever else waits there. */
export function workerCommitLane(directory: string): CommitLane {
  const control = new Int32Array(new SharedArrayBuffer(ring.words * 4))
  const blocks: [Block, Block] = [blockOf(new SharedArrayBuffer(frameBlockBytes)), blockOf(new SharedArrayBuffer(frameBlockBytes))]
  let worker: Worker | undefined
  let waiting: ((error: Error | undefined) => void) | undefined
  let ended: Promise<void> | undefined

  const answer = (error: Error | undefined) => {
    const call = waiting
    waiting = undefined
    worker?.unref()
    call?.(error)
  }
  const start = () => {
    const started = new Worker(workerUrl('commit-worker'), {
      workerData: { directory, control, buffers: blocks.map(({ bytes }) => bytes.buffer) },
      name: 'fanfare-commit',
      execArgv: [],
    })
    started.on('message', (message: string | null) => answer(message === null ? undefined : new Error(message)))
    started.on('error', answer)
    ended = new Promise((resolve) => {
      started.on('exit', () => {
        answer(new Error('the thread that commits has ended'))
        resolve()
      })
    })
    return started
  }
  const wake = () => {
    Atomics.add(control, ring.turn, 1)
    Atomics.notify(control, ring.turn)
  }
  return {
    blocks,
    bigBlock: (size) => blockOf(new SharedArrayBuffer((size + 3) & ~3)),
    commit({ block, length, journal, place }, done) {
      waiting = done
      worker ??= start()
      worker.ref()
      const slot = blocks.indexOf(block)
      control[ring.slot] = slot < 0 ? bigSlot : slot
      control[ring.length] = length
      control[ring.journal] = journal
      control[ring.place] = place
      if (slot < 0) worker.postMessage(block.bytes.buffer)
      wake()
    },
    async close() {
      if (worker === undefined) return
      worker.ref()
      control[ring.end] = 1
      wake()
      await ended
    },
  }
}

/** The same on the event loop, for tests and simulated disks. */
export function localCommitLane(files: Files, soon: (call: () => void) => void): CommitLane {
  const writer = new JournalWriter(files)
  return {
    blocks: [blockOf(new ArrayBuffer(frameBlockBytes)), blockOf(new ArrayBuffer(frameBlockBytes))],
    bigBlock: (size) => blockOf(new ArrayBuffer((size + 3) & ~3)),
    commit({ block, length, journal, place }, done) {
      soon(() => {
        let failure: Error | undefined
        try {
          writer.write(block.bytes.subarray(0, length), journal, place)
        } catch (error) {
          failure = error as Error
        }
        done(failure)
      })
    },
    close() {
      writer.close()
      return Promise.resolve()
    },
  }
}
