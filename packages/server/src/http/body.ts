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

/** Reads the whole body. Rejects with what is wrong with it: too large, too slow; answers undefined where the client is gone. */
export function readBody(req: IncomingMessage, res: ServerResponse, wheel: Wheel, limits: BodyLimits): Promise<Uint8Array | undefined> {
  const declared = req.headers['content-length']
  if (declared !== undefined && Number(declared) > limits.mostBytes) return Promise.reject(tooLarge(limits))
  if (expectsContinue(req)) res.writeContinue()
  return new Promise((resolve, reject) => new BodyReader(req, wheel, limits, resolve, reject).read())
}

export function expectsContinue(req: IncomingMessage): boolean {
  return req.headers.expect?.toLowerCase() === '100-continue'
}

function tooLarge({ mostBytes, tooLarge: code }: BodyLimits): FanfareError {
  return new FanfareError(code, `at most ${mostBytes} bytes are allowed here`)
}

class BodyReader implements Timed {
  readonly #req: IncomingMessage
  readonly #limits: BodyLimits
  readonly #timer: WheelTimer
  readonly #resolve: (body: Uint8Array | undefined) => void
  readonly #reject: (error: FanfareError) => void
  #reading = true
  #first: Buffer | undefined
  #more: Buffer[] | undefined
  #length = 0

  constructor(
    req: IncomingMessage,
    wheel: Wheel,
    limits: BodyLimits,
    resolve: (body: Uint8Array | undefined) => void,
    reject: (error: FanfareError) => void,
  ) {
    this.#req = req
    this.#limits = limits
    this.#resolve = resolve
    this.#reject = reject
    this.#timer = wheel.timer(this)
  }

  read(): void {
    const req = this.#req
    this.#timer.start(this.#limits.bodyMs)
    req.on('data', (chunk: Buffer) => this.#take(chunk))
    req.on('end', () => {
      if (this.#stop()) this.#resolve(this.#whole())
    })
    req.on('close', () => {
      if (this.#stop()) this.#resolve(undefined)
    })
  }

  onTime(): void {
    this.#fail(new FanfareError('request-timeout', `the body did not arrive within ${this.#limits.bodyMs} ms`))
  }

  #take(chunk: Buffer): void {
    if (!this.#reading) return
    this.#length += chunk.length
    if (this.#length > this.#limits.mostBytes) return this.#fail(tooLarge(this.#limits))
    if (this.#first === undefined) this.#first = chunk
    else (this.#more ??= [this.#first]).push(chunk)
  }

  /** A copy: a chunk is a part of what the socket read, which would stay in memory with it. */
  #whole(): Uint8Array {
    const body = new Uint8Array(this.#length)
    let at = 0
    for (const chunk of this.#more ?? (this.#first === undefined ? [] : [this.#first])) {
      body.set(chunk, at)
      at += chunk.length
    }
    return body
  }

  #fail(error: FanfareError): void {
    if (!this.#stop()) return
    this.#first = undefined
    this.#more = undefined
    this.#reject(error)
  }

  #stop(): boolean {
    if (!this.#reading) return false
    this.#reading = false
    this.#timer.stop()
    return true
  }
}
