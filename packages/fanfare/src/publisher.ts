import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { isProblem, limits, reconnectDelayMs, scanArray, scanObject } from '@fanfare/wire'
import { bodyOf, httpClient, isUntrusted, provesUnsent, refusalOf, troubleOf } from './http-client.ts'
import type { HttpClient, Refusal } from './http-client.ts'

export interface PublisherOptions {
  readonly url: URL
  /** Give up after so long without an answer; null never does. */
  readonly retryForMs: number | null
  /** Ends all waiting at once. */
  readonly signal: AbortSignal
  /** So many more are in the log. */
  readonly onSent: (count: number) => void
  /** Why there is no answer; undefined once there is one. */
  readonly onTrouble: (text: string | undefined) => void
}

export interface Publisher {
  /**
   * Sends items (lines of NDJSON) so that all are in the log once, in order and next to each other; resolves when they are.
   * Tries again with the same key until there is an answer. Rejects with PublishError.
   * One call at a time: with two under way, the first could fail and the second not, and the log would have another order.
   */
  send(items: readonly Uint8Array[]): Promise<void>
  close(): void
}

/** A batch that is not in the log, or of which nobody can say so. */
export class PublishError extends Error {
  /** The item that is to blame, counted from the first that `onSent` did not tell. */
  readonly index: number | undefined
  readonly code: string | undefined
  /** True where the items may be in the log, false where they can't. */
  readonly uncertain: boolean

  constructor(text: string, told: { index?: number | undefined; code?: string | undefined; uncertain?: boolean } = {}) {
    super(text)
    this.name = 'PublishError'
    this.index = told.index
    this.code = told.code
    this.uncertain = told.uncertain ?? false
  }
}

// A key is remembered for the window, so a repeat that comes sooner by far can't be taken for a new publication.
const sureMs = limits.idempotencyWindowMs * 0.8
const answerWithinMs = 30_000
const newline = Buffer.from('\n')

export function publisher(options: PublisherOptions): Publisher {
  return new BatchPublisher(options)
}

/** One batch with its key, from the first attempt to the answer. */
interface Attempts {
  readonly body: Uint8Array
  readonly count: number
  readonly key: string
  readonly begunMs: number
  failures: number
  /** When the first attempt began that may have put it into the log. */
  uncertainSinceMs: number | undefined
}

/** Why an attempt failed, where another may succeed. */
interface Trouble {
  readonly text: string
  readonly afterMs: number | undefined
  /** The batch may be in the log all the same. */
  readonly uncertain: boolean
}

class BatchPublisher implements Publisher {
  readonly #options: PublisherOptions
  readonly #client: HttpClient
  #answered = false

  constructor(options: PublisherOptions) {
    this.#options = options
    this.#client = httpClient(options.url)
  }

  close(): void {
    this.#client.close()
  }

  send(items: readonly Uint8Array[]): Promise<void> {
    return this.#sendOrDivide(items)
  }

  /** A refusal stored nothing. Where it blames one item, those before it go; where a server takes smaller batches than this, it goes in halves. */
  async #sendOrDivide(items: readonly Uint8Array[]): Promise<void> {
    try {
      await this.#sendBatch(items)
      this.#options.onSent(items.length)
    } catch (error) {
      if (!(error instanceof PublishError) || error.uncertain) throw error
      const { index = 0, code, message } = error
      if (index > 0 && index < items.length) {
        await this.#sendOrDivide(items.slice(0, index))
        throw new PublishError(message, { index: 0, code })
      }
      if (code !== 'body-too-large' || items.length === 1) throw error
      const half = Math.ceil(items.length / 2)
      await this.#sendOrDivide(items.slice(0, half))
      await this.#sendOrDivide(items.slice(half))
    }
  }

  async #sendBatch(items: readonly Uint8Array[]): Promise<void> {
    const body = Buffer.concat(items.flatMap((item) => [item, newline]))
    const now = performance.now()
    const attempts: Attempts = { body, count: items.length, key: randomUUID(), begunMs: now, failures: 0, uncertainSinceMs: undefined }
    for (;;) {
      const askedMs = performance.now()
      const trouble = await this.#attempt(attempts)
      if (trouble === undefined) return this.#options.onTrouble(undefined)
      if (trouble.uncertain) attempts.uncertainSinceMs ??= askedMs
      await this.#pause(attempts, trouble)
    }
  }

  /** Nothing where it is in the log. Throws PublishError where trying again is of no use. */
  async #attempt(attempts: Attempts): Promise<Trouble | undefined> {
    const { url, signal } = this.#options
    try {
      const told = await this.#ask(attempts)
      if (told === undefined) return undefined
      if (!told.again) throw new PublishError(told.text, { index: told.index, code: told.code })
      // Fanfare says with a code that nothing was stored; an answer without one is a proxy's, which can't know.
      return { text: told.text, afterMs: told.afterMs, uncertain: told.code === undefined || told.code === 'internal' }
    } catch (error) {
      if (error instanceof PublishError) throw error
      const uncertain = !provesUnsent(error)
      if (isUntrusted(error) && !this.#answered) throw new PublishError(troubleOf(error, url))
      if (signal.aborted) throw stopped(uncertain || attempts.uncertainSinceMs !== undefined)
      return { text: troubleOf(error, url), afterMs: undefined, uncertain }
    }
  }

  async #ask({ body, count, key }: Attempts): Promise<Refusal | undefined> {
    const { url, signal } = this.#options
    const headers = { 'Content-Type': 'application/x-ndjson', 'Idempotency-Key': key }
    const answer = await this.#client.request({
      method: 'POST',
      path: '/publish?atomic=1',
      headers,
      body,
      silenceMs: answerWithinMs,
      signal,
    })
    const said = await bodyOf(answer)
    this.#answered = true
    if (answer.statusCode !== 200) return refusalOf(answer.statusCode ?? 0, answer.headers, said)
    const results = scanArray(said)
    if (!isProblem(results) && results.length === count && results.every(hasOffset)) return undefined
    throw new PublishError(`what listens at ${url.origin} answers, but not as Fanfare does`, { uncertain: true })
  }

  /** Waits before the next attempt; throws where there can be none. */
  async #pause(attempts: Attempts, trouble: Trouble): Promise<void> {
    const { retryForMs, signal, onTrouble } = this.#options
    const delayMs = reconnectDelayMs({
      attempt: attempts.failures++,
      random: Math.random(),
      baseMs: 100,
      mostMs: 5000,
      afterMs: trouble.afterMs,
    })
    const nextMs = performance.now() + delayMs
    const uncertain = attempts.uncertainSinceMs !== undefined
    if (retryForMs !== null && nextMs - attempts.begunMs > retryForMs) throw new PublishError(trouble.text, { uncertain })
    if (attempts.uncertainSinceMs !== undefined && nextMs - attempts.uncertainSinceMs > sureMs) {
      throw new PublishError(`${trouble.text}, for too long to try again without doubles`, { uncertain })
    }
    onTrouble(trouble.text)
    await sleep(delayMs, undefined, { signal }).catch(() => {
      throw stopped(uncertain)
    })
  }
}

function stopped(uncertain: boolean): PublishError {
  return new PublishError('ended before there was an answer', { uncertain })
}

function hasOffset(result: Uint8Array): boolean {
  const members = scanObject(result)
  return !isProblem(members) && members.has('offset')
}
