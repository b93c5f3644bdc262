import type { Duplex } from 'node:stream'
import type { Limits } from '@fanfare/wire'
import type { Outlet } from '../core/sink.ts'
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

/** What waits for one socket, in the sum of all and under the eye of who ends sockets that take nothing. */
export class Backlog {
  readonly #socket: Duplex
  readonly #flow: SocketFlow
  readonly #looked: (() => void) | undefined
  #counted = 0
  /** What waited at the last look, and what came to it since: a socket that took nothing has both still waiting. */
  #seen = 0
  #added = 0
  #inKernel = 0
  #stalledMs = 0

  constructor(socket: Duplex, flow: SocketFlow, looked?: () => void) {
    this.#socket = socket
    this.#flow = flow
    this.#looked = looked
  }

  /** So many bytes were written, and not all were taken at once. */
  add(bytes: number): void {
    if (this.#socket.destroyed) return
    if (this.#counted === 0) this.#flow.watch(this)
    this.#added += bytes
    this.#count(this.#socket.writableLength)
  }

  /** For SocketFlow only: once a period while something waits. */
  look(periodMs: number): void {
    const waiting = this.#socket.writableLength
    const inKernel = bytesInWrite(this.#socket)
    const moved = waiting < this.#seen + this.#added || inKernel !== this.#inKernel
    this.#stalledMs = moved ? 0 : this.#stalledMs + periodMs
    this.#seen = waiting
    this.#added = 0
    this.#inKernel = inKernel
    this.#count(waiting)
    if (this.#flow.isStalled(this.#stalledMs)) this.#socket.destroy()
    else this.#looked?.()
  }

  clear(): void {
    this.#flow.unwatch(this)
    this.#count(0)
    this.#seen = 0
    this.#added = 0
    this.#stalledMs = 0
  }

  #count(waiting: number): void {
    this.#flow.count(waiting - this.#counted)
    this.#counted = waiting
  }
}

/** What is left of the write that is under way: the same figure by which node's own idle timer sees that a socket moves. */
function bytesInWrite(socket: Duplex): number {
  const { _handle: handle } = socket as Duplex & { readonly _handle?: { readonly writeQueueSize?: number } | null }
  return handle?.writeQueueSize ?? 0
}

/** A socket that breaks is destroyed; `close` follows. The listener is one for all sockets. */
export function destroyOnError(socket: Duplex): void {
  socket.on('error', destroyThis)
}

function destroyThis(this: Duplex): void {
  this.destroy()
}

/**
 * Writes bytes that are framed already to one socket, and knows when it takes no more: `full` is true from `limits.socketWaitingBytes` on until the socket
 * has drained. The hot path is `write`: while the kernel takes everything, it makes nothing and counts nothing.
 */
export class SocketWriter implements Outlet {
  // What `write` touches stands first, in one line of the processor's cache.
  readonly socket: Duplex
  full = false
  /** Something was written since this was last made false. */
  wrote = false
  #shut = false
  /** Called from a microtask after each write. */
  onWritten: (() => void) | undefined
  readonly #flow: SocketFlow
  readonly #owner: SocketOwner
  /** Made, with a listener for `drain`, when something waits for the first time: most sockets are idle, and all they hold counts a million times. */
  #backlog: Backlog | undefined
  #gone = false

  constructor(socket: Duplex, flow: SocketFlow, owner: SocketOwner) {
    this.socket = socket
    this.#flow = flow
    this.#owner = owner
    destroyOnError(socket)
    socket.on('close', () => this.#closed())
    if (socket.destroyed) queueMicrotask(() => this.#closed())
  }

  /** Does nothing after `shut`, and where the socket takes no more for good. */
  write(bytes: Uint8Array): void {
    const { socket } = this
    if (this.#shut || !socket.writable) return
    this.wrote = true
    socket.write(bufferOf(bytes))
    if (socket.writableLength > 0) this.#waits(bytes.length)
    if (this.onWritten !== undefined) queueMicrotask(this.onWritten)
  }

  /** The last word was said: nothing more is written, while the socket is still open for the other side's. */
  shut(): void {
    this.#shut = true
  }

  #waits(length: number): void {
    if (this.#gone || this.socket.destroyed) return
    this.#backlog ??= this.#newBacklog()
    this.#backlog.add(length)
    this.full = this.#flow.isFull(this.socket.writableLength)
  }

  #newBacklog(): Backlog {
    this.socket.on('drain', () => this.#drained())
    return new Backlog(this.socket, this.#flow, () => this.#looked())
  }

  /** A socket for which little waits says nothing when it has drained. */
  #looked(): void {
    const waiting = this.socket.writableLength
    if (waiting === 0) this.#drained()
    else if (this.full && !this.#flow.isFull(waiting)) this.#hasRoom()
  }

  #drained(): void {
    this.#backlog?.clear()
    this.#hasRoom()
  }

  #hasRoom(): void {
    if (!this.full || this.#gone) return
    this.full = false
    this.#owner.room()
  }

  #closed(): void {
    if (this.#gone) return
    this.#gone = true
    this.#backlog?.clear()
    this.#owner.gone()
  }
}

const periodMs = 1000

/** What waits for all sockets of this server, looked after once a second while anything does. */
export class SocketFlow implements Timed {
  readonly #limits: Limits
  readonly #timer: WheelTimer
  readonly #watched = new Set<Backlog>()
  #waitingBytes = 0

  constructor(limits: Limits, wheel: Wheel) {
    this.#limits = limits
    this.#timer = wheel.timer(this)
  }

  get waitingBytes(): number {
    return this.#waitingBytes
  }

  /** The sum is over its limit: no large answer is begun. */
  get crowded(): boolean {
    return this.#waitingBytes > this.#limits.socketsWaitingBytes
  }

  /** Does a socket for which so much waits take no more? Over the sum of all, none does for which anything waits. */
  isFull(waiting: number): boolean {
    return waiting > this.#limits.socketWaitingBytes || this.crowded
  }

  isStalled(stalledMs: number): boolean {
    return stalledMs >= this.#limits.socketStalledMs
  }

  count(bytes: number): void {
    this.#waitingBytes += bytes
  }

  watch(backlog: Backlog): void {
    if (this.#watched.size === 0) this.#timer.start(periodMs)
    this.#watched.add(backlog)
  }

  unwatch(backlog: Backlog): void {
    this.#watched.delete(backlog)
    if (this.#watched.size === 0) this.#timer.stop()
  }

  onTime(): void {
    for (const backlog of this.#watched) backlog.look(periodMs)
    if (this.#watched.size > 0) this.#timer.start(periodMs)
  }
}
