import { decodeHeaderText, isProblem, labelProblem, messageFromBody, orThrow, problemOf, publishedJson } from '@fanfare/wire'
import type { ErrorCode, Problem } from '@fanfare/wire'
import type { IncomingHttpHeaders } from 'node:http'
import { FanfareError } from '@fanfare/wire'
import type { Published } from '../core/node-contract.ts'
import { readBody } from './body.ts'
import type { Exchange } from './exchange.ts'
import { answerJson, work } from './exchange.ts'
import { channelOf } from './channel-name.ts'

/** `POST /channels/{channel}` (CONTRACT section 3). */
export function publish(exchange: Exchange): void {
  const { site, req, res, target } = exchange
  const channel = channelOf(target)
  const key = idempotencyKey(req.headers)
  const fields = { event: headerText(req.headers, 'fanfare-event', 'event-name-invalid'), id: headerText(req.headers, 'fanfare-id') }
  refuseEncodings(req.headers)
  work(exchange, async () => {
    const body = await readBody(req, res, site.ground.wheel, site.bodyLimits)
    if (body === undefined) return
    const message = orThrow(messageFromBody(req.headers['content-type'], body, fields))
    answerPublished(exchange, await site.node.publish(channel, message, { key }))
  })
}

function answerPublished(exchange: Exchange, published: Published): void {
  const cursor = ['Fanfare-Cursor', published.cursor]
  answerJson(exchange, 201, publishedJson(published), published.replayed ? [...cursor, 'Idempotent-Replayed', 'true'] : cursor)
}

/** The key of a publish or of a whole batch. */
export function idempotencyKey(headers: IncomingHttpHeaders): string | undefined {
  const key = headerText(headers, 'idempotency-key')
  const problem = key === undefined ? undefined : labelProblem('key', key)
  if (problem !== undefined) throw new FanfareError(problem.code, problem.problem)
  return key
}

/** What is compressed would be stored as it is. */
export function refuseEncodings(headers: IncomingHttpHeaders): void {
  const coding = headers['content-encoding']
  if (coding !== undefined && coding !== '' && coding.toLowerCase() !== 'identity') {
    throw new FanfareError('media-type-unsupported', 'bodies are taken without a content coding')
  }
}

function headerText(headers: IncomingHttpHeaders, name: string, code: ErrorCode = 'parameter-invalid'): string | undefined {
  const value = headers[name]
  if (value === undefined) return undefined
  const text: string | Problem = decodeHeaderText(String(value))
  return orThrow(isProblem(text) ? problemOf(code, `${name}: ${text.problem}`) : text)
}
