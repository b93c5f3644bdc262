import { decodeHeaderText, isProblem, labelProblem, messageFromBody, orThrow, problemOf, publishedJson } from '@fanfare/wire'
import type { ErrorCode, MessageFields, Problem } from '@fanfare/wire'
import type { IncomingHttpHeaders } from 'node:http'
import { FanfareError } from '@fanfare/wire'
import type { Published } from '../core/node-contract.ts'
import { takeBody } from './body.ts'
import type { BodyTaker } from './body.ts'
import type { Exchange } from './exchange.ts'
import { begin, end, refuse, writeHead } from './exchange.ts'
import { channelOf } from './channel-name.ts'

/** `POST /channels/{channel}` (CONTRACT section 3). */
export function publish(exchange: Exchange): void {
  const { site, req, res, target } = exchange
  const channel = channelOf(target)
  const key = idempotencyKey(req.headers)
  const fields = { event: headerText(req.headers, 'fanfare-event', 'event-name-invalid'), id: label(req.headers, 'Fanfare-Id') }
  refuseEncodings(req.headers)
  begin(site)
  takeBody(req, res, site.ground.wheel, site.bodyLimits, new Publishing(exchange, channel, key, fields))
}

/** One publish on its way. Every publish of the server is one, so it is one object and one promise of ours. */
class Publishing implements BodyTaker {
  readonly #exchange: Exchange
  readonly #channel: string
  readonly #key: string | undefined
  readonly #fields: MessageFields

  constructor(exchange: Exchange, channel: string, key: string | undefined, fields: MessageFields) {
    this.#exchange = exchange
    this.#channel = channel
    this.#key = key
    this.#fields = fields
  }

  taken(body: Uint8Array): void {
    const { req, site } = this.#exchange
    const message = messageFromBody(req.headers['content-type'], body, this.#fields)
    if (isProblem(message)) return this.#refuse(new FanfareError(message.code, message.problem))
    site.node.publish(this.#channel, message, this.#key === undefined ? undefined : { key: this.#key }).then(
      (published) => this.#answer(published),
      (error: unknown) => this.#refuse(error),
    )
  }

  refused(error: FanfareError): void {
    this.#refuse(error)
  }

  gone(): void {
    end(this.#exchange.site)
  }

  #answer(published: Published): void {
    const { res, site } = this.#exchange
    end(site)
    if (res.destroyed) return
    const json = publishedJson(published)
    // Answers to POST are not kept by anybody, so nothing has to forbid it.
    const fields = [
      'Content-Type',
      'application/json',
      'Content-Length',
      String(Buffer.byteLength(json)),
      'Fanfare-Cursor',
      published.cursor,
    ]
    if (published.replayed) fields.push('Idempotent-Replayed', 'true')
    writeHead(this.#exchange, 201, fields)
    res.end(json)
  }

  #refuse(error: unknown): void {
    refuse(this.#exchange, error)
    end(this.#exchange.site)
  }
}

/** The key of a publish or of a whole batch. */
export function idempotencyKey(headers: IncomingHttpHeaders): string | undefined {
  return label(headers, 'Idempotency-Key')
}

/** What is compressed would be stored as it is. */
export function refuseEncodings(headers: IncomingHttpHeaders): void {
  const coding = headers['content-encoding']
  if (coding !== undefined && coding !== '' && coding.toLowerCase() !== 'identity') {
    throw new FanfareError('media-type-unsupported', 'bodies are taken without a content coding')
  }
}

function label(headers: IncomingHttpHeaders, field: string): string | undefined {
  const text = headerText(headers, field.toLowerCase())
  const problem = text === undefined ? undefined : labelProblem(field, text)
  return orThrow(problem ?? text)
}

function headerText(headers: IncomingHttpHeaders, name: string, code: ErrorCode = 'parameter-invalid'): string | undefined {
  const value = headers[name]
  if (value === undefined) return undefined
  const text: string | Problem = decodeHeaderText(String(value))
  return orThrow(isProblem(text) ? problemOf(code, `${name}: ${text.problem}`) : text)
}
