import { setTimeout as sleep } from 'node:timers/promises'
import { agent, call } from '../../../../packages/fanfare/test/support/followers.ts'

export interface Published {
  readonly offset: number
  readonly cursor: string
  readonly data: unknown
}

const texts = [
  'plain',
  'ä € 😀 \u2028 \u0000',
  'two\nlines\r\nand a half',
  '</script><!-- ]]> -->',
  '"quoted" \\ and "cursor":"none"',
  '',
  'x'.repeat(3000),
  ': id: 7\n\ndata: no',
]
const retryMs = 50
/** Another channel gets one as often as this, so that places in the store are not offsets. */
const otherEvery = 7

/** What the nth publication carries. */
export function payload(number: number): unknown {
  return { number, text: texts[number % texts.length] }
}

/** Publishes numbered payloads one after the other, each with a key and as often as it takes to get its answer. */
export class Publisher {
  readonly published: Published[] = []
  readonly #url: string
  readonly #channel: string
  readonly #ends = new AbortController()
  #waiting: { readonly count: number; readonly resolve: () => void }[] = []

  constructor(url: string, channel: string) {
    this.#url = url
    this.#channel = channel
  }

  /** Goes on until so many are published. */
  async publishTo(count: number): Promise<void> {
    while (this.published.length < count) {
      const number = this.published.length + 1
      const data = payload(number)
      const { offset, cursor } = await this.#publish(this.#channel, String(number), JSON.stringify(data))
      this.published.push({ offset, cursor, data })
      this.#wake()
      if (number % otherEvery === 0) await this.#publish(`${this.#channel}/other`, String(number), '"other"')
    }
  }

  /** Resolves with the answer to the nth publication, when there is one. */
  async answerTo(number: number): Promise<Published> {
    await this.until(number)
    return this.published[number - 1] as Published
  }

  async until(count: number): Promise<void> {
    if (this.published.length >= count) return
    await new Promise<void>((resolve) => this.#waiting.push({ count, resolve }))
  }

  close(): void {
    this.#ends.abort()
    agent.destroy()
  }

  #wake(): void {
    const ready = this.#waiting.filter(({ count }) => count <= this.published.length)
    this.#waiting = this.#waiting.filter(({ count }) => count > this.published.length)
    for (const { resolve } of ready) resolve()
  }

  async #publish(channel: string, key: string, body: string): Promise<Omit<Published, 'data'>> {
    const headers = { 'Content-Type': 'application/json', 'Idempotency-Key': key }
    for (;;) {
      const answer = await call(`${this.#url}/channels/${channel}`, { method: 'POST', headers, body, signal: this.#ends.signal }).catch(
        (error: unknown) => error as Error,
      )
      if (!(answer instanceof Error)) {
        if (answer.status === 201) return JSON.parse(answer.body) as Omit<Published, 'data'>
        if (answer.status !== 503) throw new Error(`a publish was refused: ${answer.status} ${answer.body}`)
      }
      // The server was killed, or goes down: what was on its way is sent again with its key.
      await sleep(retryMs, undefined, { signal: this.#ends.signal })
    }
  }
}
