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

export type BodyAnswer = (body: Uint8Array | FanfareError) => void

/** Reads the whole body, or answers with what is wrong with it: too large, too slow. Nothing is answered where the client is gone. */
export function readBody(req: IncomingMessage, res: ServerResponse, wheel: Wheel, limits: BodyLimits, answer: BodyAnswer): void {
  const declared = req.headers['content-length']
  if (declared !== undefined && Number(declared) > limits.mostBytes) return answer(tooLarge(limits))
  if (expectsContinue(req)) res.writeContinue()
  new BodyReader(req, wheel, limits, answer).read()
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
  #answer: BodyAnswer | undefined
  #first: Buffer | undefined
  #more: Buffer[] | undefined
  #length = 0

  constructor(req: IncomingMessage, wheel: Wheel, limits: BodyLimits, answer: BodyAnswer) {
    this.#req = req
    this.#limits = limits
    this.#answer = answer
    this.#timer = wheel.timer(this)
  }

  read(): void {
    const req = this.#req
    this.#timer.start(this.#limits.bodyMs)
    req.on('data', (chunk: Buffer) => this.#take(chunk))
    req.on('end', () => this.#settle(this.#whole()))
    req.on('close', () => this.#stop())
    req.on('error', () => this.#stop())
  }

  onTime(): void {
    this.#settle(new FanfareError('request-timeout', `the body did not arrive within ${this.#limits.bodyMs} ms`))
  }

  #take(chunk: Buffer): void {
    if (this.#answer === undefined) return
    this.#length += chunk.length
    if (this.#length > this.#limits.mostBytes) return this.#settle(tooLarge(this.#limits))
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

  #settle(result: Uint8Array | FanfareError): void {
    const answer = this.#answer
    this.#stop()
    answer?.(result)
  }

  #stop(): void {
    this.#answer = undefined
    this.#first = undefined
    this.#more = undefined
    this.#timer.stop()
  }
}
