import { isProblem, limits } from '@fanfare/wire'
import type { Problem } from '@fanfare/wire'
import { exitCodes, misused } from './exit.ts'
import { isTerminal, say } from './io.ts'
import type { Io } from './io.ts'
import { itemEncoder } from './item.ts'
import { ItemQueue } from './item-queue.ts'
import { LineSplitter } from './lines.ts'
import { progressLine } from './progress.ts'
import { PublishError, publisher } from './publisher.ts'
import type { Publisher } from './publisher.ts'
import type { Settings } from './settings.ts'
import { parseChannel } from './words.ts'

// A batch grows while the one before it is under way, up to this; a slow source's line goes at once.
const batchItems = 2_000
const batchBytes = 1024 * 1024
const messageRetryMs = 10_000

/** `fanfare publish`: the message, or each line of stdin, in order and once. */
export async function runPublish(settings: Settings, rest: readonly string[], io: Io): Promise<number> {
  const [channel, message, ...more] = rest
  if (channel === undefined) return misused(io, 'publish needs a channel: fanfare publish CHANNEL [MESSAGE]')
  if (more.length > 0) return misused(io, 'publish takes one message; put quotes around one with spaces')
  const name = parseChannel(channel)
  if (isProblem(name)) return misused(io, name.problem)
  const encode = itemEncoder({ channel: name, event: settings.get('event'), type: settings.get('type'), json: settings.value('json') })
  const call = new PublishCall(settings, name, encode, io)
  return message === undefined ? call.lines() : call.message(Buffer.from(message))
}

type Encode = (payload: Buffer) => Buffer | Problem

/** A line that can't be a publication; what stands before it has gone. */
class LineError extends Error {}

class PublishCall {
  readonly #channel: string
  readonly #encode: Encode
  readonly #io: Io
  readonly #settings: Settings
  readonly #stop = new AbortController()
  readonly #queue = new ItemQueue(batchItems, batchBytes)
  readonly #progress: { show(count: number): void; clear(): void }
  #sent = 0
  #ending = false
  #lastTrouble: string | undefined

  constructor(settings: Settings, channel: string, encode: Encode, io: Io) {
    this.#settings = settings
    this.#channel = channel
    this.#encode = encode
    this.#io = io
    this.#progress = progressLine(io.stderr, isTerminal(io.stderr))
  }

  async message(payload: Buffer): Promise<number> {
    const item = this.#encode(payload)
    if (isProblem(item)) return misused(this.#io, `the message: ${item.problem}`)
    const patience = this.#settings.get('retry-for')
    return this.#run(
      () => this.#stop.abort(),
      () => this.#withPublisher(patience === undefined ? messageRetryMs : patience, (to) => to.send([item])),
    )
  }

  /** Reads and sends side by side: the reader never holds more than two batches. The first wish to end stops reading, the second all. */
  async lines(): Promise<number> {
    const endReading = (): void => {
      if (this.#ending) this.#stop.abort()
      this.#ending = true
      this.#io.stdin.destroy()
    }
    return this.#run(endReading, () =>
      this.#withPublisher(this.#settings.get('retry-for') ?? null, async (to) => {
        let failed: unknown
        const reading = this.#read().catch((error: unknown) => (failed = error))
        try {
          await this.#send(to)
        } finally {
          this.#io.stdin.destroy()
          this.#queue.end()
        }
        await reading
        if (failed !== undefined) throw failed
      }),
    )
  }

  async #read(): Promise<void> {
    const splitter = new LineSplitter(limits.batchBytes)
    let line = 0
    const put = async (lines: Iterable<Buffer>): Promise<void> => {
      for (const payload of lines) {
        line++
        if (this.#settings.value('json') && payload.toString().trim() === '') continue
        const item = this.#encode(payload)
        if (isProblem(item)) throw new LineError(`line ${line}: ${item.problem}`)
        this.#queue.put(item)
        // Without a pause where there is room, so that the lines of one chunk go together.
        if (this.#queue.full) await this.#queue.room()
      }
    }
    try {
      for await (const chunk of this.#io.stdin as AsyncIterable<Buffer | string>) await put(splitter.push(Buffer.from(chunk)))
      await put(splitter.end())
    } catch (error) {
      // A wish to end closes stdin under the reader's feet; what it has read still goes.
      if (!this.#ending) throw error instanceof RangeError ? new LineError(error.message) : error
    } finally {
      this.#queue.end()
    }
  }

  async #send(to: Publisher): Promise<void> {
    for (;;) {
      const items = await this.#queue.take()
      if (items.length === 0) return
      await to.send(items)
    }
  }

  async #withPublisher(retryForMs: number | null, work: (to: Publisher) => Promise<void>): Promise<void> {
    const to = publisher({
      url: this.#settings.value('url'),
      retryForMs,
      signal: this.#stop.signal,
      onSent: (count) => this.#progress.show((this.#sent += count)),
      onTrouble: (text) => this.#trouble(text),
    })
    try {
      await work(to)
    } finally {
      to.close()
      this.#progress.clear()
    }
  }

  #trouble(text: string | undefined): void {
    if (text === this.#lastTrouble) return
    this.#progress.clear()
    say(this.#io.stderr, text === undefined ? 'goes on' : `${text}; trying again`)
    this.#lastTrouble = text
  }

  async #run(onEnd: () => void, work: () => Promise<void>): Promise<number> {
    const silence = this.#io.onEnd(onEnd)
    try {
      await work()
      return this.#report(exitCodes.well)
    } catch (error) {
      if (!(error instanceof PublishError || error instanceof LineError)) throw error
      say(this.#io.stderr, this.#explain(error))
      return this.#report(exitCodes.failed)
    } finally {
      silence()
    }
  }

  #explain(error: PublishError | LineError): string {
    if (error instanceof LineError) return error.message
    const blamed = error.index === undefined ? '' : `publication ${this.#sent + error.index + 1}: `
    return `${blamed}${error.message}${error.uncertain ? ' (the last batch may be in the log all the same)' : ''}`
  }

  #report(code: number): number {
    // After a failure that let nothing through, the reason says it all.
    if (code === exitCodes.well || this.#sent > 0) this.#io.stdout.write(`published ${this.#sent} to ${this.#channel}\n`)
    return code
  }
}
