import type { Duplex } from 'node:stream'
import type { Limits } from '@fanfare/wire'
import type { Timed, Wheel, WheelTimer } from './wheel.ts'

/** Who writes to a socket; called from a later turn than any write. */
export interface SocketOwner {
  /** There is room again after the writer was full. */
  room(): void
  /** The socket is gone, for whatever reason. Called once. */
  gone(): void
}

// Node makes a Buffer of each Uint8Array that is written; many sockets in a row get the same bytes, so the last one is kept.
let lastBytes: Uint8Array = new Uint8Array()
let lastBuffer: Buffer = Buffer.from(lastBytes.buffer)

function bufferOf(bytes: Uint8Array): Buffer {
  if (bytes !== lastBytes) {
    lastBytes = bytes
    lastBuffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }
  return lastBuffer
}

/**
 * Writes bytes that are framed already to one socket, and knows when it takes no more: `full` is true from `limits.socketWaitingBytes` on until the socket
 * has drained. The hot path is `write`: while the kernel takes everything, it makes nothing and counts nothing.
 */
export class SocketWriter {
  readonly socket: Duplex
  full = false
  readonly #flow: SocketFlow
  readonly #owner: SocketOwner
  /** What of this socket is in the sum of all. */
  #counted = 0
  /** What waited when the flow last looked, and what came to it since: a socket that took nothing has both still waiting. */
  #seen = 0
  #added = 0
  #stalledMs = 0
  #gone = false

  constructor(socket: Duplex, flow: SocketFlow, owner: SocketOwner) {
    this.socket = socket
    this.#flow = flow
    this.#owner = owner
    socket.on('drain', () => this.#drained())
    socket.on('error', () => socket.destroy())
    socket.on('close', () => this.#closed())
    if (socket.destroyed) queueMicrotask(() => this.#closed())
  }

  write(bytes: Uint8Array): void {
    const { socket } = this
    socket.write(bufferOf(bytes))
    if (socket.writableLength > 0) this.#waits(bytes.length)
  }

  /** For SocketFlow only: once a period while something waits. */
  look(periodMs: number): void {
    const waiting = this.socket.writableLength
    this.#stalledMs = waiting < this.#seen + this.#added ? 0 : this.#stalledMs + periodMs
    this.#seen = waiting
    this.#added = 0
    this.#count(waiting)
    if (this.#flow.isStalled(this.#stalledMs)) this.socket.destroy()
    else if (waiting === 0) this.#drained()
    else if (this.full && !this.#flow.isFull(waiting)) this.#hasRoom()
  }

  #waits(length: number): void {
    if (this.#gone || this.socket.destroyed) return
    const waiting = this.socket.writableLength
    if (this.#counted === 0) this.#flow.watch(this)
    this.#added += length
    this.#count(waiting)
    this.full = this.#flow.isFull(waiting)
  }

  #count(waiting: number): void {
    this.#flow.count(waiting - this.#counted)
    this.#counted = waiting
  }

  #drained(): void {
    this.#forget()
    this.#hasRoom()
  }

  #hasRoom(): void {
    if (!this.full || this.#gone) return
    this.full = false
    this.#owner.room()
  }

  #forget(): void {
    this.#flow.unwatch(this)
    this.#count(0)
    this.#seen = 0
    this.#added = 0
    this.#stalledMs = 0
  }

  #closed(): void {
    if (this.#gone) return
    this.#gone = true
    this.#forget()
    this.#owner.gone()
  }
}

const periodMs = 1000

/** What waits for all sockets of this server, looked after once a second while anything does. */
export class SocketFlow implements Timed {
  readonly #limits: Limits
  readonly #timer: WheelTimer
  readonly #watched = new Set<SocketWriter>()
  #waitingBytes = 0

  constructor(limits: Limits, wheel: Wheel) {
    this.#limits = limits
    this.#timer = wheel.timer(this)
  }

  get waitingBytes(): number {
    return this.#waitingBytes
  }

  /** Does a socket for which so much waits take no more? Over the sum of all, none does for which anything waits. */
  isFull(waiting: number): boolean {
    return waiting > this.#limits.socketWaitingBytes || this.#waitingBytes > this.#limits.socketsWaitingBytes
  }

  isStalled(stalledMs: number): boolean {
    return stalledMs >= this.#limits.socketStalledMs
  }

  count(bytes: number): void {
    this.#waitingBytes += bytes
  }

  watch(writer: SocketWriter): void {
    if (this.#watched.size === 0) this.#timer.start(periodMs)
    this.#watched.add(writer)
  }

  unwatch(writer: SocketWriter): void {
    this.#watched.delete(writer)
    if (this.#watched.size === 0) this.#timer.stop()
  }

  onTime(): void {
    for (const writer of this.#watched) writer.look(periodMs)
    if (this.#watched.size > 0) this.#timer.start(periodMs)
  }
}
