import type { IncomingMessage, ServerResponse } from 'node:http'
import { orThrow } from '@fanfare/wire'
import { streamingSockets } from '../transports/sse.ts'
import type { Exchange } from './exchange.ts'
import { refuse } from './exchange.ts'
import type { Visitor } from './guard.ts'
import { answerOptions, dispatch } from './router.ts'
import type { Site } from './site.ts'
import type { Target } from './target.ts'
import { parseTarget } from './target.ts'

/** What every answer bears. */
const always = ['X-Content-Type-Options', 'nosniff', 'Vary', 'Origin'] as const
const exposed = 'Fanfare-Cursor, Fanfare-Count, Idempotent-Replayed, Preference-Applied, Retry-After'
const allowedHeaders = 'Content-Type, Accept, Last-Event-ID, Prefer, Idempotency-Key, Fanfare-Event, Fanfare-Id, Cache-Control'
const preflightSeconds = '600'

/** One request: through the guard, then to its address. */
export function answer(site: Site, req: IncomingMessage, res: ServerResponse): void {
  if (streamingSockets.has(req.socket)) return void req.socket.destroy()
  // A request that was cut says so with an error; its answer has nobody to go to.
  req.on('error', () => undefined)
  let exchange: Exchange = { site, req, res, target: nowhere, headers: always }
  try {
    const target = orThrow(parseTarget(req.url ?? ''))
    const origin = site.guard.check(visitorOf(req, target))
    exchange = { site, req, res, target, headers: origin === undefined ? always : [...always, ...corsFields(origin)] }
  } catch (error) {
    return refuse(exchange, error)
  }
  const preflight =
    req.method === 'OPTIONS' && req.headers.origin !== undefined && req.headers['access-control-request-method'] !== undefined
  if (preflight) return answerOptions(exchange, preflightFields)
  if (exchange.target.path === '*') return answerOptions(exchange, [])
  dispatch(exchange)
}

const nowhere: Target = { path: '', query: '', authority: undefined }
const preflightFields = [
  'Access-Control-Allow-Methods',
  'GET, HEAD, POST, DELETE, OPTIONS',
  'Access-Control-Allow-Headers',
  allowedHeaders,
  'Access-Control-Max-Age',
  preflightSeconds,
]

export function corsFields(origin: string): readonly string[] {
  return ['Access-Control-Allow-Origin', origin, 'Access-Control-Expose-Headers', exposed]
}

/** Fields that node keeps only the first of are looked up in what came. */
export function visitorOf(req: IncomingMessage, target: Target): Visitor {
  const hosts: string[] = []
  const origins: string[] = []
  const { rawHeaders } = req
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? ''
    if (name.length === 4 && name.toLowerCase() === 'host') hosts.push(rawHeaders[i + 1] ?? '')
    else if (name.length === 6 && name.toLowerCase() === 'origin') origins.push(rawHeaders[i + 1] ?? '')
  }
  return { hosts, origins, authority: target.authority, hostless: req.httpVersion === '1.0' }
}
