import type { Duplex } from 'node:stream'
import { beginChunk, ByteWriter, endChunk, FanfareError, lastChunk } from '@fanfare/wire'
import type { Gap } from '@fanfare/wire'
import type { Form } from '../core/form.ts'
import type { Outlet, Receiver, Sink } from '../core/sink.ts'
import type { Held } from './held.ts'
import type { TransportName } from './names.ts'
import type { SocketOwner } from './socket-writer.ts'
import { SocketWriter } from './socket-writer.ts'
import type { Ground, ReceiveCall } from './transport.ts'
import { receiveRequest } from './transport.ts'
import type { Timed, WheelTimer } from './wheel.ts'

/** What a transport of answers without end says between the publications, in its own bytes. */
export interface StreamWords {
  readonly transport: TransportName
  /** Header fields of the answer, name and value in turn. */
  readonly fields: readonly string[]
  /** What comes first: the gaps, then the place. */
  readonly begin: (out: ByteWriter, cursor: string, gaps: readonly Gap[]) => void
  readonly gap: (out: ByteWriter, gap: Gap) => void
  /** The heartbeat with a place. */
  readonly mark: (out: ByteWriter, cursor: string) => void
  /** A sign of life that moves no place; where it is absent, the place that the receiver has is said again. */
  readonly alive?: (out: ByteWriter) => void
  /** Last words: a gap at which the receiver wanted to stop, what went wrong, or that the server goes down and when to come again. */
  readonly stop: (out: ByteWriter, gap: Gap) => void
  readonly fail?: (out: ByteWriter, error: FanfareError) => void
  readonly leave: (out: ByteWriter, afterMs: number) => void
}

/** Sends what is published as an answer without end: the head goes by node's response, all else in chunks straight to the socket. */
export function answerStream(ground: Ground, call: ReceiveCall, words: StreamWords, form: (chunked: boolean) => Form): void {
  const sink = new StreamSink(ground, call, words)
  sink.receiver = ground.node.receive(receiveRequest(call.question, form(sink.chunked), 'endless'), sink)
}

/** Fields of every answer without end. */
export const streamFields: readonly string[] = ['Cache-Control', 'no-store, no-transform', 'X-Accel-Buffering', 'no', 'Connection', 'close']

const shared = new ByteWriter(1024)

class StreamSink implements Sink, SocketOwner, Held, Timed {
  readonly transport: TransportName
  readonly most = Number.POSITIVE_INFINITY
  readonly chunked: boolean
  receiver: Receiver | undefined
  readonly #ground: Ground
  readonly #words: StreamWords
  readonly #writer: SocketWriter
  readonly #timer: WheelTimer
  /** Until the head is sent. */
  #call: ReceiveCall | undefined
  #ended = false
  #marked = false

  constructor(ground: Ground, call: ReceiveCall, words: StreamWords) {
    this.#ground = ground
    this.#call = call
    this.#words = words
    this.transport = words.transport
    this.chunked = call.req.httpVersion === '1.1'
    this.#timer = ground.wheel.timer(this)
    this.#writer = new SocketWriter(call.req.socket, ground.flow, this)
    ground.held.add(this)
  }

  get outlet(): Outlet {
    return this.#writer
  }

  get full(): boolean {
    return this.#writer.full
  }

  begin(place: number, gaps: readonly Gap[]): void {
    const socket = this.#open()
    if (socket === undefined) return
    socket.write(this.#block((out) => this.#words.begin(out, this.#ground.node.token(place), gaps)))
    socket.uncork()
    this.#timer.start(this.#ground.limits.heartbeatMs)
  }

  write(bytes: Uint8Array): void {
    if (!this.#ended) this.#writer.write(bytes)
  }

  gap(gap: Gap): void {
    this.#send((out) => this.#words.gap(out, gap))
  }

  mark(place: number): void {
    this.#marked = true
    this.#send((out) => this.#words.mark(out, this.#ground.node.token(place)))
  }

  finish(): void {
    this.#end()
  }

  stop(gap: Gap): void {
    const call = this.#call
    if (call !== undefined)
      return this.#refuse(call, new FanfareError('gap', `the place can not be continued: ${gap.reason}`, { extra: { gap } }))
    this.#end((out) => this.#words.stop(out, gap))
  }

  fail(error: FanfareError): void {
    const call = this.#call
    if (call !== undefined) return this.#refuse(call, error)
    const inside = error.code === 'internal'
    if (inside) this.#ground.report(error)
    const told = inside ? new FanfareError('internal', 'the server could not go on; its log says more') : error
    this.#end((out) => this.#words.fail?.(out, told))
  }

  park(): void {
    // `room` wakes the receiver.
  }

  room(): void {
    this.receiver?.drained()
  }

  gone(): void {
    this.#ended = true
    this.#timer.stop()
    this.#ground.held.remove(this)
    this.receiver?.close()
  }

  leave(afterMs: number): void {
    const call = this.#call
    if (call !== undefined) this.#refuse(call, new FanfareError('draining', 'the server goes down; come again'))
    else this.#end((out) => this.#words.leave(out, afterMs))
  }

  onTime(): void {
    const { receiver } = this
    this.#timer.start(this.#ground.limits.heartbeatMs)
    this.#marked = false
    receiver?.beat()
    if (this.#marked || this.full || receiver === undefined) return
    const { alive } = this.#words
    if (alive === undefined) this.mark(receiver.place)
    else this.#send(alive)
  }

  /** Sends the head; the response is let go, and all else goes to the socket, which comes back corked. */
  #open(): Duplex | undefined {
    const call = this.#call
    this.#call = undefined
    const { socket } = this.#writer
    if (call === undefined || this.#ended || socket.destroyed || call.res.socket !== socket) return undefined
    socket.cork()
    call.res.writeHead(200, [...call.headers, ...this.#words.fields, ...streamFields])
    call.res.flushHeaders()
    call.res.detachSocket(call.req.socket)
    streamingSockets.add(socket)
    return socket
  }

  #send(write: (out: ByteWriter) => void): void {
    if (!this.#ended) this.#writer.write(this.#block(write))
  }

  #block(write: (out: ByteWriter) => void): Uint8Array {
    shared.clear()
    const begun = this.chunked ? beginChunk(shared) : 0
    write(shared)
    if (this.chunked) endChunk(shared, begun)
    return shared.slice()
  }

  #refuse(call: ReceiveCall, error: FanfareError): void {
    this.#call = undefined
    this.#ended = true
    call.refuse(error)
    this.gone()
  }

  #end(write?: (out: ByteWriter) => void): void {
    if (this.#ended) return
    if (write !== undefined) this.#send(write)
    this.#ended = true
    const { socket } = this.#writer
    socket.end(this.chunked ? lastChunk : '', () => socket.destroy())
  }
}

/** Sockets whose response was let go: what else comes on them has no answer. */
export const streamingSockets = new WeakSet<Duplex>()
