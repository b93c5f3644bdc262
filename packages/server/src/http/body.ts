import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ErrorCode } from '@fanfare/wire'
import { FanfareError } from '@fanfare/wire'
import type { Timed, Wheel, WheelTimer } from '../transports/wheel.ts'

export interface BodyLimits {
  readonly mostBytes: number
  /** Error for a body with more bytes. */
  readonly tooLarge: ErrorCode
  readonly bodyMs: number
}

/** Who wants a body. One of the three is called once. */
export interface BodyTaker {
  /** The whole body, in memory of its own. */
  taken(body: Uint8Array): void
  /** Too large, or too slow. */
  refused(error: FanfareError): void
  /** The client has gone. */
  gone(): void
}

/** Reads the whole body. */
export function takeBody(req: IncomingMessage, res: ServerResponse, wheel: Wheel, limits: BodyLimits, taker: BodyTaker): void {
  const declared = req.headers['content-length']
  if (declared !== undefined && Number(declared) > limits.mostBytes) return taker.refused(tooLarge(limits))
  if (expectsContinue(req)) res.writeContinue()
  new BodyReader(wheel, limits, taker).read(req)
}

/** The same as a promise; undefined where the client has gone. */
export function readBody(req: IncomingMessage, res: ServerResponse, wheel: Wheel, limits: BodyLimits): Promise<Uint8Array | undefined> {
  return new Promise((resolve, reject) => {
    takeBody(req, res, wheel, limits, { taken: resolve, refused: reject, gone: () => resolve(undefined) })
  })
}

/** HTTP/1.0 knows no answer before the answer (RFC 9110, section 10.1.1). */
export function expectsContinue(req: IncomingMessage): boolean {
  return req.httpVersion !== '1.0' && req.headers.expect?.toLowerCase() === '100-continue'
}

function tooLarge({ mostBytes, tooLarge: code }: BodyLimits): FanfareError {
  return new FanfareError(code, `at most ${mostBytes} bytes are allowed here`)
}

/** So much may stay in memory with a body. */
const slackBytes = 256

const reader = Symbol('reader')
interface Read extends IncomingMessage {
  [reader]?: BodyReader
}

// One function for all requests instead of a closure for each.
function onData(this: Read, chunk: Buffer): void {
  this[reader]?.take(chunk)
}
function onEnd(this: Read): void {
  this[reader]?.end()
}
function onClose(this: Read): void {
  this[reader]?.gone()
}

class BodyReader implements Timed {
  readonly #limits: BodyLimits
  readonly #taker: BodyTaker
  readonly #timer: WheelTimer
  #reading = true
  #first: Buffer | undefined
  #more: Buffer[] | undefined
  #length = 0

  constructor(wheel: Wheel, limits: BodyLimits, taker: BodyTaker) {
    this.#limits = limits
    this.#taker = taker
    this.#timer = wheel.timer(this)
  }

  read(req: Read): void {
    req[reader] = this
    this.#timer.start(this.#limits.bodyMs)
    req.on('data', onData)
    req.on('end', onEnd)
    req.on('close', onClose)
  }

  take(chunk: Buffer): void {
    if (!this.#reading) return
    this.#length += chunk.length
    if (this.#length > this.#limits.mostBytes) return this.#refuse(tooLarge(this.#limits))
    if (this.#first === undefined) this.#first = chunk
    else (this.#more ??= [this.#first]).push(chunk)
  }

  end(): void {
    if (this.#stop()) this.#taker.taken(this.#whole())
  }

  gone(): void {
    if (this.#stop()) this.#taker.gone()
  }

  onTime(): void {
    this.#refuse(new FanfareError('request-timeout', `the body did not arrive within ${this.#limits.bodyMs} ms`))
  }

  /** Node gives a body that came in one piece in memory of its own, mostly; what is part of more would keep that in memory, and is copied. */
  #whole(): Uint8Array {
    const first = this.#first
    if (first !== undefined && this.#more === undefined && first.buffer.byteLength - first.length <= slackBytes) {
      return new Uint8Array(first.buffer, first.byteOffset, first.length)
    }
    const body = new Uint8Array(this.#length)
    let at = 0
    for (const chunk of this.#more ?? (first === undefined ? [] : [first])) {
      body.set(chunk, at)
      at += chunk.length
    }
    return body
  }

  #refuse(error: FanfareError): void {
    if (!this.#stop()) return
    this.#first = undefined
    this.#more = undefined
    this.#taker.refused(error)
  }

  #stop(): boolean {
    if (!this.#reading) return false
    this.#reading = false
    this.#timer.stop()
    return true
  }
}
