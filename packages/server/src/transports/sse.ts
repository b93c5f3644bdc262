import type { ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import {
  beginChunk,
  ByteWriter,
  endChunk,
  FanfareError,
  lastChunk,
  writeSseGap,
  writeSseHeartbeat,
  writeSseReady,
  writeSseRetry,
} from '@fanfare/wire'
import type { Gap } from '@fanfare/wire'
import type { Receiver, Sink } from '../core/sink.ts'
import type { Held } from './held.ts'
import type { SocketOwner } from './socket-writer.ts'
import { SocketWriter } from './socket-writer.ts'
import type { Ground, ReceiveCall, Transport } from './transport.ts'
import { receiveRequest } from './transport.ts'
import type { Timed, WheelTimer } from './wheel.ts'

/** How long an EventSource waits before it connects again, unless it is told otherwise. */
const retryMs = 2000

/** Server-Sent Events (HTML Standard, section 9.2): the head goes by node's response, all else in chunks straight to the socket. */
export function sse(ground: Ground): Transport {
  return {
    name: 'sse',
    receive(call) {
      const { question } = call
      const sink = new SseSink(ground, call)
      const form = ground.forms.sse(question.envelope, sink.chunked)
      sink.receiver = ground.node.receive(receiveRequest(question, form, 'endless'), sink)
    },
  }
}

/** An EventSource never comes back from an answer that isn't 200: where it should, it is told when, and the answer ends. */
export function refuseSse(res: ServerResponse, headers: readonly string[], afterMs: number): void {
  const out = new ByteWriter(32)
  writeSseRetry(out, afterMs)
  res.writeHead(200, [...headers, ...sseHeaders])
  res.end(out.slice())
}

const sseHeaders = [
  'Content-Type',
  'text/event-stream',
  'Cache-Control',
  'no-store, no-transform',
  'X-Accel-Buffering',
  'no',
  'Connection',
  'close',
]
const shared = new ByteWriter(1024)

class SseSink implements Sink, SocketOwner, Held, Timed {
  readonly transport = 'sse'
  readonly most = Number.POSITIVE_INFINITY
  readonly chunked: boolean
  receiver: Receiver | undefined
  readonly #ground: Ground
  readonly #writer: SocketWriter
  readonly #timer: WheelTimer
  /** Until the head is sent. */
  #call: ReceiveCall | undefined
  #ended = false
  #marked = false

  constructor(ground: Ground, call: ReceiveCall) {
    this.#ground = ground
    this.#call = call
    this.chunked = call.req.httpVersion === '1.1'
    this.#timer = ground.wheel.timer(this)
    this.#writer = new SocketWriter(call.req.socket, ground.flow, this)
    ground.held.add(this)
  }

  get full(): boolean {
    return this.#writer.full
  }

  begin(place: number, gaps: readonly Gap[]): void {
    const socket = this.#open()
    if (socket === undefined) return
    socket.write(
      this.#block((out) => {
        writeSseRetry(out, retryMs)
        for (const gap of gaps) writeSseGap(out, gap)
        writeSseReady(out, this.#ground.node.token(place))
      }),
    )
    socket.uncork()
    this.#timer.start(this.#ground.limits.heartbeatMs)
  }

  write(bytes: Uint8Array): void {
    if (!this.#ended) this.#writer.write(bytes)
  }

  gap(gap: Gap): void {
    this.#send((out) => writeSseGap(out, gap))
  }

  mark(place: number): void {
    this.#marked = true
    this.#send((out) => writeSseHeartbeat(out, this.#ground.node.token(place)))
  }

  finish(): void {
    this.#end()
  }

  stop(gap: Gap): void {
    const call = this.#call
    if (call !== undefined)
      return this.#refuse(call, new FanfareError('gap', `the place can not be continued: ${gap.reason}`, { extra: { gap } }))
    this.gap(gap)
    this.#end()
  }

  fail(error: FanfareError): void {
    const call = this.#call
    if (call !== undefined) return this.#refuse(call, error)
    if (error.code === 'internal') this.#ground.report(error)
    this.#end()
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
    if (call === undefined) {
      this.#send((out) => writeSseRetry(out, afterMs))
      return this.#end()
    }
    this.#call = undefined
    this.#ended = true
    refuseSse(call.res, call.headers, afterMs)
    this.gone()
  }

  onTime(): void {
    this.#timer.start(this.#ground.limits.heartbeatMs)
    this.#marked = false
    this.receiver?.beat()
    if (!this.#marked && !this.full) this.#send((out) => writeSseHeartbeat(out))
  }

  /** Sends the head; the response is let go, and all else goes to the socket, which comes back corked. */
  #open(): Duplex | undefined {
    const call = this.#call
    this.#call = undefined
    const { socket } = this.#writer
    if (call === undefined || this.#ended || socket.destroyed || call.res.socket !== socket) return undefined
    socket.cork()
    call.res.writeHead(200, [...call.headers, ...sseHeaders])
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
    if (error.status === 503 || error.status === 429) refuseSse(call.res, call.headers, retryMs)
    else call.refuse(error)
    this.gone()
  }

  #end(): void {
    if (this.#ended) return
    this.#ended = true
    const { socket } = this.#writer
    socket.end(this.chunked ? lastChunk : '', () => socket.destroy())
  }
}

/** Sockets whose response was let go: what else comes on them has no answer. */
export const streamingSockets = new WeakSet<Duplex>()
