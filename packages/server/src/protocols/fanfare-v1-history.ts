import { decodeUtf8, errorReply, okReply, pollAnswer, withGap } from '@fanfare/wire'
import type { FanfareError, Gap, HistoryCommand } from '@fanfare/wire'
import type { Receiver, Sink } from '../core/sink.ts'
import { entryForm } from './plain.ts'
import { tellable } from './tellable.ts'
import type { ProtocolContext } from './protocol.ts'

/** Collects what `history` answers, which is what a poll answers. */
export class HistorySink implements Sink {
  readonly full = false
  readonly most = Number.POSITIVE_INFINITY
  readonly #context: ProtocolContext
  readonly #command: HistoryCommand
  readonly #answer: (reply: string) => void
  readonly #receiver: Receiver
  readonly #entries: Uint8Array[] = []
  #gaps: readonly Gap[] = []

  constructor(context: ProtocolContext, command: HistoryCommand, answer: (reply: string) => void) {
    this.#context = context
    this.#command = command
    this.#answer = answer
    const { channel, since, limit } = command
    const most = { publications: Math.min(limit, context.limits.pollPublications), bytes: context.limits.pollBytes }
    this.#receiver = context.node.receive(
      { channels: [{ channel }], since: since ?? { at: 'latest' }, form: entryForm, reach: 'head', most, onGap: 'continue' },
      this,
    )
  }

  begin(_place: number, gaps: readonly Gap[]): void {
    this.#gaps = gaps
  }

  write(bytes: Uint8Array): void {
    this.#entries.push(bytes)
  }

  gap(gap: Gap): void {
    this.#gaps = withGap(this.#gaps, gap)
  }

  mark(): void {
    // The place is said once, in `finish`.
  }

  finish(place: number, more: boolean): void {
    const body = pollAnswer({ cursor: this.#context.node.token(place), entries: this.#entries, more, gaps: this.#gaps })
    this.#answer(okReply(this.#command.id, decodeUtf8(body)))
  }

  stop(gap: Gap): void {
    this.#answer(errorReply(this.#command.id, 'gap', `the place can not be continued: ${gap.reason}`))
  }

  fail(error: FanfareError): void {
    const { code, message } = tellable(error, (failure) => this.#context.report(failure))
    this.#answer(errorReply(this.#command.id, code, message))
  }

  park(): void {
    // Never full.
  }

  close(): void {
    this.#receiver.close()
  }
}
