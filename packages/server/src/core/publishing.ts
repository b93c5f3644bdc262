import { FanfareError, assertChannel, utf8Length } from '@fanfare/wire'
import type { Limits, Message, Runtime } from '@fanfare/wire'
import type { Engine, Item, Once, Placed } from '../engines/engine.ts'
import type { PublishItem, PublishOptions, Published } from './node-contract.ts'
import { printOf } from './print.ts'
import type { RuleBook } from './rules.ts'

interface Publishing {
  readonly engine: Engine
  readonly runtime: Runtime
  readonly rules: RuleBook
  readonly limits: Limits
  token(place: number, mark: string): string
}

/** Checks what a publisher gives, appends it, and answers when it is committed. */
export class Publisher {
  readonly #with: Publishing

  constructor(publishing: Publishing) {
    this.#with = publishing
  }

  async publish(channel: string, message: Message, options: PublishOptions = {}): Promise<Published> {
    const item = this.#item({ channel, message, key: options.key }, options.credential)
    const [published] = await this.#append([item], undefined)
    if (published === undefined) throw new FanfareError('internal', 'the engine gave no place')
    return published
  }

  async publishAtomic(items: readonly PublishItem[], options: PublishOptions = {}): Promise<readonly Published[]> {
    this.#assertCount(items.length)
    const checked = items.map((item, index) => withIndex(index, () => this.#itemOfEach(item, options)))
    return await this.#append(checked, this.#batchOnce(items, options))
  }

  async publishEach(items: readonly PublishItem[], options: PublishOptions = {}): Promise<readonly (Published | Error)[]> {
    this.#assertCount(items.length)
    const checked = items.map((item) => caught(() => this.#itemOfEach(item, options)))
    if (options.key === undefined) {
      return await Promise.all(checked.map((item) => this.#appendOne(item)))
    }
    const good = checked.filter((item): item is Item => !(item instanceof Error))
    const once = this.#batchOnce(items, options)
    const placed = good.length === 0 ? [] : await this.#append(good, once)
    let next = 0
    return checked.map((item) => (item instanceof Error ? item : (placed[next++] ?? noPlace())))
  }

  async remove(channel: string): Promise<Published> {
    assertChannel(channel)
    const [published] = await this.#append([{ kind: 'delete', channel }], undefined)
    return published ?? Promise.reject(noPlace())
  }

  async #append(items: readonly Item[], once: Once | undefined): Promise<readonly Published[]> {
    const answer = await this.#with.engine.append(once === undefined ? { items } : { items, once })
    if (answer.kind === 'placed') return answer.placed.map((placed) => this.#published(placed))
    const extra = answer.index >= 0 && items.length > 1 ? { index: answer.index } : {}
    throw new FanfareError('idempotency-conflict', 'the key was used for another body within its window', { extra })
  }

  async #appendOne(item: Item | Error): Promise<Published | Error> {
    if (item instanceof Error) return item
    try {
      const [published] = await this.#append([item], undefined)
      return published ?? noPlace()
    } catch (error) {
      return asError(error)
    }
  }

  #published({ channel, offset, seq, time, mark, replayed }: Placed): Published {
    return { channel, offset, cursor: this.#with.token(seq, mark), time, replayed }
  }

  #itemOfEach(item: PublishItem, options: PublishOptions): Item {
    if (options.key !== undefined && item.key !== undefined) {
      throw new FanfareError('parameter-invalid', 'either the whole request has a key, or its items have')
    }
    return this.#item(item, options.credential)
  }

  #item({ channel, message, key }: PublishItem, credential = ''): Item {
    assertChannel(channel)
    assertMessage(message, this.#with.limits)
    const most = this.#with.rules.of(channel).payloadBytes
    if (message.data.length > most)
      throw new FanfareError('payload-too-large', `the payload has ${message.data.length} bytes; the channel allows ${most}`)
    if (key === undefined) return { kind: 'publication', channel, message }
    return {
      kind: 'publication',
      channel,
      message,
      once: this.#once(['channel', credential, channel, key], () => printOf([{ channel, message }])),
    }
  }

  #batchOnce(items: readonly PublishItem[], { key, credential = '', print = '' }: PublishOptions): Once | undefined {
    return key === undefined ? undefined : this.#once(['batch', credential, '', key], () => printOf(items) + print)
  }

  #once(parts: readonly [string, string, string, string], print: () => string): Once {
    const { limits, runtime } = this.#with
    assertText('the idempotency key', parts[3], limits.headerValueBytes)
    // Neither channels nor keys have control characters, so that no two sets of parts join to the same.
    return { key: parts.join('\n'), print: print(), expires: runtime.now() + limits.idempotencyWindowMs }
  }

  #assertCount(count: number): void {
    if (count === 0) throw new FanfareError('parameter-invalid', 'a batch has at least one item')
    if (count > this.#with.limits.batchItems)
      throw new FanfareError('body-too-large', `a batch has at most ${this.#with.limits.batchItems} items`)
  }
}

function assertMessage({ event, id, type }: Message, limits: Limits): void {
  if (event !== undefined) assertEvent(event, limits)
  if (id !== undefined) assertText('the id', id, limits.headerValueBytes)
  if (type !== undefined) assertText('the media type', type, limits.headerValueBytes)
}

// Control characters and lone surrogates.
const control = /[\p{Cc}\p{Cs}]/u

function assertEvent(event: string, limits: Limits): void {
  const say = (detail: string): never => {
    throw new FanfareError('event-name-invalid', detail)
  }
  if (event === '' || utf8Length(event) > limits.eventNameBytes) say(`an event name has 1 to ${limits.eventNameBytes} bytes`)
  if (control.test(event)) say('an event name has no control characters')
  if (event === 'open' || event === 'error' || event.startsWith('fanfare.'))
    say(`the event name ${event} means something else to receivers`)
}

function assertText(what: string, text: string, most: number): void {
  if (text === '' || utf8Length(text) > most) throw new FanfareError('parameter-invalid', `${what} has 1 to ${most} bytes`)
  if (control.test(text)) throw new FanfareError('parameter-invalid', `${what} has no control characters`)
}

function withIndex<T>(index: number, make: () => T): T {
  try {
    return make()
  } catch (error) {
    if (!(error instanceof FanfareError)) throw error
    throw new FanfareError(error.code, error.message, { cause: error, extra: { ...error.extra, index } })
  }
}

function caught<T>(make: () => T): T | Error {
  try {
    return make()
  } catch (error) {
    return asError(error)
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new FanfareError('internal', String(error))
}

function noPlace(): FanfareError {
  return new FanfareError('internal', 'the engine gave no place')
}
