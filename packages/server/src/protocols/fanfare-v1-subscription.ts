import { errorReply, formatCursor, gapMessage, okReply, subscribedJson } from '@fanfare/wire'
import type { ErrorCode, FanfareError, Gap, SubscribeCommand } from '@fanfare/wire'
import type { Form } from '../core/form.ts'
import type { Outlet, Receiver, Sink } from '../core/sink.ts'
import { tellable } from './tellable.ts'
import type { Link, ProtocolContext } from './protocol.ts'

/** What the connection hears of a subscription, each once at most. */
export interface SubscriptionEvents {
  /** The command has its answer. */
  answered(): void
  /** It is over by itself. */
  ended(): void
}

/** One channel of a connection: a receiver of its own, a sink over the link that all of them share. Its `ok` comes before its gaps and publications. */
export class Subscription implements Sink {
  readonly most = Number.POSITIVE_INFINITY
  readonly #link: Link
  readonly #context: ProtocolContext
  readonly #command: SubscribeCommand
  readonly #told: SubscriptionEvents
  readonly #receiver: Receiver
  #begun = false
  #marked: number | undefined

  constructor(link: Link, context: ProtocolContext, form: Form, command: SubscribeCommand, told: SubscriptionEvents) {
    this.#link = link
    this.#context = context
    this.#command = command
    this.#told = told
    const { channel, onGap, since } = command
    this.#receiver = context.node.receive(
      { channels: [{ channel }], since: since ?? { at: 'latest' }, form, reach: 'endless', onGap },
      this,
    )
  }

  get outlet(): Outlet {
    return this.#link.outlet
  }

  get full(): boolean {
    return this.#link.full
  }

  begin(place: number, gaps: readonly Gap[]): void {
    const { id, channel, since } = this.#command
    this.#begun = true
    const given = since?.at === 'cursor' ? since.cursor : undefined
    const recovered = given !== undefined && gaps.length === 0
    // With a gap it is the one that was given: who is cut before the gap's notice resumes from it and is told again.
    const cursor = given !== undefined && !recovered ? formatCursor(given) : this.#context.node.token(place)
    this.#link.send(okReply(id, subscribedJson(channel, cursor, recovered)))
    for (const gap of gaps) this.gap(gap)
    this.#told.answered()
  }

  write(bytes: Uint8Array): void {
    this.#link.write(bytes)
  }

  gap(gap: Gap): void {
    this.#link.send(gapMessage(gap))
  }

  mark(place: number): void {
    this.#marked = place
  }

  finish(): void {
    this.#told.ended()
  }

  stop(gap: Gap): void {
    if (this.#begun) this.gap(gap)
    else this.#refuse('gap', `the place can not be continued: ${gap.reason}`)
    this.#told.ended()
  }

  fail(error: FanfareError): void {
    const { status, code, message } = tellable(error, (failure) => this.#context.report(failure))
    if (this.#begun) this.#link.close(4000 + status, code)
    else this.#refuse(code, message)
    this.#told.ended()
  }

  park(): void {
    this.#link.park(this.#receiver)
  }

  /** The place up to which it has everything, or undefined while it is behind. */
  beat(): number | undefined {
    this.#marked = undefined
    this.#receiver.beat()
    return this.#marked
  }

  /** Unsubscribed: a command whose answer is still to come gets it. */
  end(): void {
    this.#receiver.close()
    if (!this.#begun) this.#refuse('not-subscribed', 'unsubscribed before it began')
  }

  close(): void {
    this.#receiver.close()
  }

  #refuse(code: ErrorCode, message: string): void {
    this.#link.send(errorReply(this.#command.id, code, message))
    this.#told.answered()
  }
}
