import type { FanfareError, Gap } from '@fanfare/wire'
import type { ReceiveRequest } from '../../../src/core/receive.ts'
import type { Outlet, Receiver, Run, Sink } from '../../../src/core/sink.ts'
import { Violation } from './model.ts'
import type { ReceiverModel } from './model.ts'

interface Frame {
  readonly size: number
  /** The client has it. */
  readonly arrive: () => void
}

/** What a client has of a channel: the cursor that it would resume with. */
export interface Taken {
  place(place: number): void
  gap(gap: Gap): void
}

/** A connection: one or several sinks share its buffer, which drains by bytes and may be cut anywhere. */
export class SimLink {
  readonly limit: number
  readonly sinks: SimSink[] = []
  buffered = 0
  /** Bytes that may still be written; Infinity without a window. */
  credit: number
  ended = false
  #frames: Frame[] = []
  #taken = 0

  constructor(limit: number, credit: number) {
    this.limit = limit
    this.credit = credit
  }

  get full(): boolean {
    return this.buffered >= this.limit || this.credit <= 0
  }

  push(size: number, arrive: () => void): void {
    this.buffered += size
    this.credit -= size
    this.#frames.push({ size, arrive })
  }

  /** The client reads so many bytes; who is parked goes on, another one first each time. */
  drain(bytes: number): void {
    this.#taken += Math.min(bytes, this.buffered)
    while (this.#frames.length > 0 && (this.#frames[0]?.size ?? 0) <= this.#taken) {
      const frame = this.#frames.shift()
      if (frame === undefined) break
      this.#taken -= frame.size
      this.buffered -= frame.size
      frame.arrive()
    }
    if (this.#frames.length === 0) this.#taken = 0
    this.wake()
  }

  wake(): void {
    if (this.full) return
    for (const sink of this.sinks) sink.drained()
    const first = this.sinks.shift()
    if (first !== undefined) this.sinks.push(first)
  }

  cut(): void {
    this.ended = true
    this.#frames = []
    for (const sink of this.sinks) sink.receiver?.close()
  }
}

const decoder = new TextDecoder('latin1')

function outletOf(sink: Outlet): Outlet {
  return {
    get full() {
      return sink.full
    },
    write: (bytes, run) => sink.write(bytes, run),
  }
}

/** One receiver's end of a link: hands everything to the model at once, and to the client when it arrives. */
export class SimSink implements Sink {
  readonly link: SimLink
  readonly model: ReceiverModel
  readonly request: ReceiveRequest
  receiver: Receiver | undefined
  parked = false
  done = false
  readonly #client: Taken
  readonly #written: { bytes: Uint8Array; text: string }[] = []
  readonly #collects: boolean
  /** Every other one has it, as sockets do. */
  readonly outlet: Outlet | undefined
  #count = 0
  #bytes = 0
  #called = false

  constructor(link: SimLink, model: ReceiverModel, request: ReceiveRequest, client: Taken) {
    this.link = link
    this.model = model
    this.request = request
    this.#client = client
    this.#collects = request.reach !== 'endless'
    this.outlet = link.sinks.length % 2 === 0 ? outletOf(this) : undefined
    link.sinks.push(this)
  }

  get full(): boolean {
    return !this.#collects && this.link.full
  }

  get most(): number {
    return this.#collects ? Number.POSITIVE_INFINITY : this.link.credit
  }

  /** It was given to `receive`, which returned: from now on core may call. */
  opened(receiver: Receiver): void {
    this.receiver = receiver
    this.#called = true
  }

  begin(place: number, gaps: readonly Gap[]): void {
    this.#assertOpen()
    this.model.begin(place, gaps)
    if (this.#collects) return
    this.link.push(2, () => {
      for (const gap of gaps) this.#client.gap(gap)
    })
    this.link.push(2, () => this.#client.place(place))
  }

  write(bytes: Uint8Array, run: Run): void {
    this.#assertRoom('a write')
    const room = this.most
    const text = decoder.decode(bytes)
    this.#written.push({ bytes, text })
    if (this.#written.length > 8) this.#written.shift()
    let entries = 0
    let seq = 0
    for (const entry of text.split(';')) {
      if (entry === '') continue
      const [, channel = '', offset = '', payload = '', token = ''] = entry.split(',')
      seq = Number(payload)
      const place = seq
      this.model.entry(channel, Number(offset), place, token)
      entries++
      if (!this.#collects) this.link.push(entry.length + 1, () => this.#client.place(place))
    }
    if (run.count !== entries || run.place !== seq) throw new Violation('run: it is not what was written')
    if (entries > 1 && bytes.length > room) throw new Violation(`most: ${bytes.length} bytes, and room for ${room}`)
    this.#countAnswer(entries, bytes.length)
  }

  gap(gap: Gap): void {
    this.#assertRoom('a gap')
    if (this.#collects && this.#count > 0) throw new Violation('answer: a gap after publications')
    this.model.gap(gap)
    if (!this.#collects) this.link.push(2, () => this.#client.gap(gap))
  }

  mark(place: number): void {
    this.#assertRoom('a mark')
    this.model.cursor(place)
    this.link.push(2, () => this.#client.place(place))
  }

  finish(place: number, more: boolean): void {
    this.#assertOpen()
    if (!this.#collects) throw new Violation('reach: a stream was finished')
    this.model.finish(place, more)
    this.done = true
    this.link.push(this.#bytes + 1, () => this.#client.place(place))
  }

  stop(gap: Gap): void {
    this.#assertOpen()
    if (this.request.onGap !== 'stop') throw new Violation('stop: nobody asked for it')
    this.model.stoppedAt(gap)
    this.done = true
  }

  /** Core catches what a sink throws, a violation too: it goes on to where the simulation hears of it. */
  fail(error: FanfareError): void {
    if (error.code === 'internal') throw error.cause ?? error
    this.#assertOpen()
    this.done = true
  }

  park(): void {
    this.#assertOpen()
    if (this.parked) throw new Violation('park once: it was parked already')
    if (!this.full) throw new Violation('park: there is room')
    this.parked = true
  }

  drained(): void {
    if (!this.parked) return
    this.parked = false
    this.receiver?.drained()
  }

  /** What was given is never changed afterwards. */
  assertUnchanged(): void {
    for (const { bytes, text } of this.#written)
      if (decoder.decode(bytes) !== text) throw new Violation('bytes: they changed after they were given')
  }

  #countAnswer(entries: number, bytes: number): void {
    this.#count += entries
    this.#bytes += bytes
    const { most } = this.request
    if (most === undefined) return
    if (this.#count > most.publications || (this.#bytes > most.bytes && this.#count > 1))
      throw new Violation('most: the answer is larger than asked for')
  }

  #assertRoom(what: string): void {
    this.#assertOpen()
    if (this.full) throw new Violation(`room: ${what} while the sink is full`)
    if (this.parked) throw new Violation(`park: ${what} while it is parked`)
  }

  #assertOpen(): void {
    if (!this.#called) throw new Violation('call: core calls before receive has returned')
    if (this.done || this.link.ended) throw new Violation('call: core calls after the end')
  }
}
