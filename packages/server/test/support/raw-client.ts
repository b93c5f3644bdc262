import { connect } from 'node:net'
import type { Socket } from 'node:net'
import type { Asked } from './openapi.ts'

/** Longest wait for anything that a server owes; over it a test fails and says what it waited for. */
export const waitMs = 5_000

const open = new Set<RawConnection>()

/** Bytes that are a whole request, and which one. */
const requests = new WeakMap<Uint8Array, Asked>()

/** Says which request these bytes are, so that its answer can be held against the description. */
export function asRequest<T extends Uint8Array>(bytes: T, asked: Asked): T {
  requests.set(bytes, asked)
  return bytes
}

/** A TCP connection that sends the bytes it is told to and reads what comes, whatever that is. */
export class RawConnection {
  readonly #socket: Socket
  #received: Buffer = Buffer.alloc(0)
  #chunks: Buffer[] = []
  #ended = false
  #wake: (() => void)[] = []
  /** Requests whose answers are still to be read; undefined once something else was sent. */
  #asked: Asked[] | undefined = []
  /** Bytes that came, ever. */
  count = 0

  constructor(socket: Socket) {
    this.#socket = socket
    open.add(this)
    socket.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk)
      this.count += chunk.length
      this.#changed()
    })
    socket.on('end', () => this.#finished())
    socket.on('close', () => this.#finished())
    // A reset is an end like any other here; what was read before it stays readable.
    socket.on('error', () => this.#finished())
  }

  /** True once the server has ended or reset the connection (there may be bytes left to read). */
  get ended(): boolean {
    return this.#ended
  }

  /** What came and was not taken yet. */
  get pending(): Buffer {
    if (this.#chunks.length > 0) {
      this.#received = Buffer.concat([this.#received, ...this.#chunks])
      this.#chunks = []
    }
    return this.#received
  }

  /** The request that the next answer belongs to, where that is known. */
  takeAsked(): Asked | undefined {
    return this.#asked?.shift()
  }

  send(bytes: Uint8Array | string): void {
    this.#note(bytes)
    if (!this.#socket.destroyed && this.#socket.writable) this.#socket.write(typeof bytes === 'string' ? Buffer.from(bytes) : bytes)
  }

  /** Sends and resolves once the machine has taken the bytes, or the connection is gone. */
  async sent(bytes: Uint8Array): Promise<void> {
    this.#note(bytes)
    if (this.#socket.destroyed || !this.#socket.writable) return
    await new Promise<void>((resolve) => {
      const done = (): void => {
        this.#socket.off('close', done)
        resolve()
      }
      this.#socket.once('close', done)
      this.#socket.write(bytes, done)
    })
  }

  /** Stops reading, as a receiver does that is slow; `resume` reads on. */
  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  /** Sends FIN; reading goes on. */
  end(): void {
    this.#socket.end()
  }

  /** Waits until `take` finds what it looks for in what came (it may call `drop`); fails at the end of the connection or of the wait. */
  async until<T>(what: string, take: (pending: Buffer) => T | undefined, ms = waitMs): Promise<T> {
    const deadline = Date.now() + ms
    for (;;) {
      const taken = take(this.pending)
      if (taken !== undefined) return taken
      if (this.#ended) throw new Error(`the connection ended before ${what}; it had brought ${describeBytes(this.pending)}`)
      await this.#change(what, deadline)
    }
  }

  /** Waits for the end of the connection and gives what came before it. */
  async untilEnd(what = 'the end of the connection', ms = waitMs): Promise<Buffer> {
    const deadline = Date.now() + ms
    while (!this.#ended) await this.#change(what, deadline)
    const rest = this.pending
    this.drop(rest.length)
    return rest
  }

  drop(bytes: number): void {
    this.#received = this.pending.subarray(bytes)
  }

  /** Resets the connection. */
  reset(): void {
    this.#socket.resetAndDestroy()
    open.delete(this)
  }

  close(): void {
    this.#socket.destroy()
    open.delete(this)
  }

  #note(bytes: Uint8Array | string): void {
    const asked = typeof bytes === 'string' ? undefined : requests.get(bytes)
    if (asked === undefined) this.#asked = undefined
    else this.#asked?.push(asked)
  }

  async #change(what: string, deadline: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`waited in vain for ${what}; what came is ${describeBytes(this.pending)}`)),
        Math.max(0, deadline - Date.now()),
      )
      this.#wake.push(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  #finished(): void {
    this.#ended = true
    this.#changed()
  }

  #changed(): void {
    const woken = this.#wake
    this.#wake = []
    for (const wake of woken) wake()
  }
}

/** Connects to a port of the loopback interface; rejects where nobody listens. */
export async function openRaw(port: number, host = '127.0.0.1'): Promise<RawConnection> {
  const socket = connect({ port, host, noDelay: true, allowHalfOpen: true })
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('error', reject)
  })
  return new RawConnection(socket)
}

/** Closes whatever a test left open. */
export function closeRaw(): void {
  for (const connection of open) connection.close()
}

function describeBytes(bytes: Buffer): string {
  return bytes.length === 0 ? 'nothing' : `${bytes.length} bytes, begin ${JSON.stringify(bytes.subarray(0, 300).toString('latin1'))}`
}
