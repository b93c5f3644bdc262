import { FanfareError, type Runtime } from '@fanfare/wire'
import { stepped } from './format.ts'
import type { KeeperAnswer, KeeperQuestion } from './keeper.ts'
import type { JournalRow } from './manifest.ts'
import { newNonce } from './opening.ts'

export interface JournalMakerOptions {
  readonly runtime: Runtime
  readonly ask: (question: KeeperQuestion) => Promise<KeeperAnswer>
  /** Bytes of the largest journal that there is. */
  readonly largest: number
  /** A journal is made no smaller where space is short. */
  readonly journalLeastBytes: number
  readonly journalMostBytes: number
  /** Before a journal is made: what waits for being sealed gives its own back. */
  readonly sealFull: () => void
  /** There is no space: gives back what is not kept any more. */
  readonly reclaim: () => Promise<void>
  /** A journal is there, or can not be made. */
  readonly onJournal: (row: JournalRow) => void
  /** True where somebody was refused by it. */
  readonly onNoJournal: (error: FanfareError) => boolean
  readonly onTrouble: (error: unknown) => void
}

/** After the disk was full, it is asked again no sooner. */
const retryMs = 1000

/** Has journals made, each twice as large as those before up to a limit. Each wish is answered by `onJournal` or `onNoJournal`; where space is short it is looked for. */
export class JournalMaker {
  readonly #options: JournalMakerOptions
  #largest: number
  #refusedAt = -Infinity
  /** Bytes of the journal that there was no space for, while there is none. */
  #missing: number | undefined
  #making: Promise<void> | undefined
  /** How often a journal was given or refused. */
  #answered = 0
  #cancelRetry: (() => void) | undefined
  #closed = false

  constructor(options: JournalMakerOptions) {
    this.#options = options
    this.#largest = options.largest
  }

  /** Wants one of at least so many bytes. */
  async want(bytes: number): Promise<void> {
    const answered = this.#answered
    // The answer comes in a later turn, whatever it is.
    await Promise.resolve()
    while (this.#making !== undefined) await this.#making
    // What was under way was the answer.
    if (this.#answered !== answered || this.#closed) return
    if (this.#options.runtime.monotonic() - this.#refusedAt >= retryMs) return this.#make(bytes)
    this.#refuse(new FanfareError('storage-full', 'there is no space for more; it is looked for again every second'))
  }

  close(): void {
    this.#closed = true
    this.#cancelRetry?.()
  }

  #make(bytes: number): Promise<void> {
    this.#making = this.#makeJournal(bytes).finally(() => (this.#making = undefined))
    return this.#making
  }

  /** Where there is no space, what is not kept any more is given back at once, and then it is tried again. */
  async #makeJournal(bytes: number): Promise<void> {
    this.#options.sealFull()
    if ((await this.#tryJournal(bytes)) === undefined || this.#closed) return
    await this.#atMost(this.#options.reclaim(), retryMs)
    const failure = await this.#tryJournal(bytes)
    if (failure === undefined) return
    this.#refusedAt = this.#options.runtime.monotonic()
    if (this.#missing === undefined) this.#options.onTrouble(failure)
    this.#missing = bytes
    this.#refuse(failure)
  }

  async #tryJournal(bytes: number): Promise<FanfareError | undefined> {
    const { runtime, ask, journalLeastBytes, journalMostBytes, onJournal } = this.#options
    const size = stepped(Math.max(bytes, Math.min(this.#largest * 2, journalMostBytes)))
    const least = stepped(Math.max(bytes, Math.min(journalLeastBytes, size)))
    try {
      const nonce = newNonce((count) => runtime.random(count))
      const journal = (await ask({ kind: 'journal', size, least, nonce })).journal!
      this.#largest = Math.min(Math.max(this.#largest, journal.size), journalMostBytes)
      this.#missing = undefined
      this.#answered++
      onJournal(journal)
      return undefined
    } catch (error) {
      if (error instanceof FanfareError) return error
      return new FanfareError('storage-full', `there is no space for a journal (${(error as Error).message})`, { cause: error })
    }
  }

  /** As long as somebody is refused, it is tried again by itself. */
  #refuse(error: FanfareError): void {
    this.#answered++
    if (this.#options.onNoJournal(error)) this.#retryLater()
  }

  #retryLater(): void {
    if (this.#cancelRetry !== undefined || this.#closed) return
    this.#cancelRetry = this.#options.runtime.after(retryMs, () => {
      this.#cancelRetry = undefined
      if (this.#missing !== undefined && this.#making === undefined) void this.#make(this.#missing)
    })
  }

  /** Waits for it, but no longer than so: it goes on by itself. */
  async #atMost(work: Promise<void>, ms: number): Promise<void> {
    let cancel: () => void = () => undefined
    await Promise.race([work, new Promise<void>((resolve) => (cancel = this.#options.runtime.after(ms, resolve)))])
    cancel()
  }
}
