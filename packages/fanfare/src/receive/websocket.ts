import { errors, isProblem, limits, scanObject } from '@fanfare/wire'
import { WebSocket } from 'ws'
import { addressOf, bodyOf, refusalOf } from '../http-client.ts'
import { cutBy, endedBy, receivePath, receivedOf } from './parts.ts'
import type { Ended, ReceiveOptions, Received } from './receive.ts'

// The server pings every 25 s.
const silenceMs = 65_000
const openWithinMs = 15_000

/** A WebSocket with envelopes. */
export function receiveWebSocket(options: ReceiveOptions): Promise<Ended> {
  return new Promise((resolve) => {
    const { url, channels, begin, signal } = options
    const address = addressOf(url, receivePath(channels, { ...begin, envelope: '1' }))
    address.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:'
    const socket = new WebSocket(address, { perMessageDeflate: false, handshakeTimeout: openWithinMs, maxPayload: limits.sseEventBytes })
    const reader = new FrameReader(socket, options)
    const stop = (): void => socket.terminate()
    signal.addEventListener('abort', stop)
    const silence = setTimeout(() => socket.terminate(), silenceMs)
    const alive = (): unknown => silence.refresh()
    socket.on('ping', alive)
    socket.on('open', () => reader.opened())
    socket.on('message', (data: Buffer) => {
      alive()
      reader.push(data)
    })
    let ended: Ended | undefined
    socket.on('unexpected-response', (_request, answer) => {
      const status = answer.statusCode ?? 0
      ended = { kind: 'cut', why: `the server answered ${status}` }
      bodyOf(answer)
        .then(
          (body) =>
            (ended =
              status === 200
                ? { kind: 'refused', why: `${url.origin} has no WebSocket there` }
                : endedBy(refusalOf(status, answer.headers, body))),
        )
        .catch((error: unknown) => (ended = cutBy(error, url)))
        .finally(() => socket.terminate())
    })
    socket.on('error', (error) => (ended ??= cutBy(error, url)))
    socket.on('close', (code: number, reason: Buffer) => {
      clearTimeout(silence)
      signal.removeEventListener('abort', stop)
      void reader.idle().then((wrong) => resolve(wrong ?? ended ?? endedByClose(code, reason.toString())))
    })
  })
}

/** Frames are taken in order; while one waits, the socket rests. */
class FrameReader {
  readonly #socket: WebSocket
  readonly #options: ReceiveOptions
  readonly #waiting: (Received | undefined)[] = []
  #working: Promise<void> = Promise.resolve()
  #busy = false
  #wrong: Ended | undefined

  constructor(socket: WebSocket, options: ReceiveOptions) {
    this.#socket = socket
    this.#options = options
  }

  opened(): void {
    this.#add({ kind: 'opened' })
  }

  /** A later server may send what this receiver does not know; but always as an object. */
  push(frame: Buffer): void {
    const received = receivedOf(frame)
    if (received !== undefined || isProblem(scanObject(frame))) this.#add(received)
  }

  /** When everything that came has been taken: what was wrong with it, if anything. */
  async idle(): Promise<Ended | undefined> {
    await this.#working
    return this.#wrong
  }

  #add(received: Received | undefined): void {
    this.#waiting.push(received)
    if (!this.#busy) this.#working = this.#work()
  }

  async #work(): Promise<void> {
    this.#busy = true
    for (let received = this.#next(); received !== undefined; received = this.#next()) {
      const printed = this.#options.take(received)
      if (printed === undefined) continue
      if (this.#socket.readyState === WebSocket.OPEN) this.#socket.pause()
      await printed
      if (this.#socket.readyState === WebSocket.OPEN) this.#socket.resume()
    }
    this.#busy = false
  }

  #next(): Received | undefined {
    if (this.#waiting.length === 0 || this.#wrong !== undefined) return undefined
    const received = this.#waiting.shift()
    if (received === undefined) {
      this.#wrong = { kind: 'refused', why: `${this.#options.url.origin} sent a frame that Fanfare doesn't send` }
      this.#socket.terminate()
    }
    return received
  }
}

// CONTRACT section 4: a refusal closes with 4000 + the HTTP status.
const lastingStatuses = new Set(
  Object.values(errors)
    .filter((row) => !row.retry)
    .map((row) => row.status as number),
)

function endedByClose(code: number, reason: string): Ended {
  const why = `the server closed the WebSocket with ${code}${reason === '' ? '' : ` (${reason})`}`
  const status = code - 4000
  return status >= 400 && status < 500 && status !== 408 && status !== 429 && lastingStatuses.has(status)
    ? { kind: 'refused', why }
    : { kind: 'cut', why }
}
