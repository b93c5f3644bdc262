import { cursorMessage, FanfareError, gapMessage, parseCursor } from '@fanfare/wire'
import type { Gap, Message } from '@fanfare/wire'
import type { FanfareNode } from '../core/node-contract.ts'
import type { ReceiveRequest } from '../core/receive.ts'
import type { Outlet, Receiver, Sink } from '../core/sink.ts'
import type { Conversation, Link, ProtocolContext } from './protocol.ts'
import { tellable } from './tellable.ts'
import { PublishQueue } from './publish-queue.ts'

export interface PlainRequest {
  readonly receive: ReceiveRequest
  /** Where the client's messages are published; undefined where it follows several channels and they have no address. */
  readonly publishTo: string | undefined
  readonly envelope: boolean
}

/** A channel as a two-way stream of messages: what the client sends is published, what is published is sent to it. */
export function plainConversation(context: ProtocolContext, request: PlainRequest): (link: Link) => Conversation {
  return (link) => new PlainConversation(context, request, link)
}

class PlainConversation implements Conversation, Sink {
  readonly most = Number.POSITIVE_INFINITY
  readonly #context: ProtocolContext
  readonly #node: FanfareNode
  readonly #request: PlainRequest
  readonly #link: Link
  readonly #receiver: Receiver
  /** Of a client that publishes, which most never do. */
  #queue: PublishQueue | undefined
  /** Place of the newest publication that came over this link. */
  #published = 0

  constructor(context: ProtocolContext, request: PlainRequest, link: Link) {
    const { node } = context
    this.#context = context
    this.#node = node
    this.#request = request
    this.#link = link
    this.#receiver = node.receive(request.receive, this)
  }

  get outlet(): Outlet {
    return this.#link.outlet
  }

  get full(): boolean {
    return this.#link.full
  }

  begin(place: number, gaps: readonly Gap[]): void {
    for (const gap of gaps) this.gap(gap)
    this.mark(place)
  }

  write(bytes: Uint8Array): void {
    this.#link.write(bytes)
  }

  gap(gap: Gap): void {
    if (this.#request.envelope) this.#link.send(gapMessage(gap))
    else this.#link.close(4410, gap.reason)
  }

  mark(place: number): void {
    if (this.#request.envelope) this.#link.send(cursorMessage(this.#node.token(place)))
  }

  finish(): void {
    this.#link.close(1000, '')
  }

  stop(gap: Gap): void {
    if (this.#request.envelope) this.#link.send(gapMessage(gap))
    this.#link.close(4410, gap.reason)
  }

  fail(error: FanfareError): void {
    this.#refuse(error)
  }

  park(): void {
    this.#link.park(this.#receiver)
  }

  message(data: Uint8Array, binary: boolean): void {
    const { publishTo } = this.#request
    if (publishTo === undefined) return this.#refuse(new FanfareError('request-malformed', 'of several channels, a message has no address'))
    // A Buffer's own `slice` would be a view of all that the socket read with it.
    const own = new Uint8Array(data)
    const message: Message = binary
      ? { data: own, format: 'bytes', type: 'application/octet-stream' }
      : { data: own, format: 'text', type: 'text/plain' }
    this.#queue ??= new PublishQueue(this.#link)
    this.#queue.add(
      own.length,
      this.#node.publish(publishTo, message),
      ({ cursor }) => (this.#published = Math.max(this.#published, parseCursor(cursor)?.seq ?? 0)),
      (error) => this.#refuse(error),
    )
  }

  /** The client gets its own messages back as far as they came, its good-bye after them. */
  ending(done: () => void): void {
    this.#whenQuiet(() => {
      const doneOnceThere = (): void => {
        if (this.#receiver.place >= this.#published) done()
      }
      doneOnceThere()
      this.#link.afterWrites(doneOnceThere)
    })
  }

  beat(): void {
    this.#receiver.beat()
  }

  /** Nothing more is taken, and what was taken is committed first. */
  leave(): void {
    this.#link.hold()
    this.#whenQuiet(() => this.#link.close(1012, 'the server goes down: connect again'))
  }

  closed(): void {
    this.#receiver.close()
  }

  #whenQuiet(call: () => void): void {
    if (this.#queue === undefined) call()
    else this.#queue.whenQuiet(call)
  }

  #refuse(error: unknown): void {
    const known = tellable(error, (failure) => this.#context.report(failure))
    // The code first, so that programs can read it; the transport cuts what is too long for a close frame.
    this.#link.close(4000 + known.status, `${known.code}: ${known.message}`)
  }
}
