import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { FanfareError, orThrow } from '@fanfare/wire'
import { streamingSockets } from '../transports/stream-sink.ts'
import { channelPrefix } from './channel-name.ts'
import type { Exchange } from './exchange.ts'
import { refuse, writeHead } from './exchange.ts'
import type { Visitor } from './guard.ts'
import { PublishTurns } from './publish-turns.ts'
import { answerOptions, dispatch } from './router.ts'
import type { Site } from './site.ts'
import type { Target } from './target.ts'
import { parseTarget } from './target.ts'

/** What every answer bears. */
const always = ['X-Content-Type-Options', 'nosniff', 'Vary', 'Origin'] as const
const exposed = 'Fanfare-Cursor, Fanfare-Count, Idempotent-Replayed, Preference-Applied, Retry-After'
const allowedHeaders = 'Content-Type, Accept, Last-Event-ID, Prefer, Idempotency-Key, Fanfare-Event, Fanfare-Id, Cache-Control'
const preflightSeconds = '600'

/** Requests of one connection that wait for their turn; a client that sends more ahead is cut. */
const mostAhead = 1000
const ahead = new WeakMap<Socket, number>()
const turns = new WeakMap<Socket, PublishTurns>()
const publishing = Symbol('publishing')
type Marked = ServerResponse & { [publishing]?: true }

/**
 * One request. What was sent ahead of the answers before it waits for its turn: a response that waits never says that its client has gone, a thousand large
 * answers to one client would wait in memory, and only the order of the connection says whether a publish comes before a deletion. Publishes among
 * publishes don't wait, for they keep their order, their answers are small, and they are committed together.
 */
export function answer(site: Site, req: IncomingMessage, res: Marked): void {
  const { socket } = req
  if (streamingSockets.has(socket)) return void socket.destroy()
  if (isPublish(req, site.prefix)) res[publishing] = true
  if (res.socket !== null) return answerNow(site, req, res)
  const waiting = ahead.get(socket) ?? 0
  if (res[publishing] === true && waiting === 0 && activeResponse(socket)?.[publishing] === true)
    return turnsOf(socket).run(() => answerNow(site, req, res))
  if (waiting >= mostAhead) return void socket.destroy()
  ahead.set(socket, waiting + 1)
  res.once('socket', () => {
    ahead.set(socket, (ahead.get(socket) ?? 1) - 1)
    answerNow(site, req, res)
  })
}

function turnsOf(socket: Socket): PublishTurns {
  const known = turns.get(socket)
  if (known !== undefined) return known
  const made = new PublishTurns(socket)
  turns.set(socket, made)
  return made
}

/** One in absolute form is answered too, only never ahead of its turn. */
function isPublish({ method, url = '' }: IncomingMessage, prefix: string): boolean {
  if (method !== 'POST' || !url.startsWith(prefix)) return false
  const at = prefix.length
  return url.startsWith(channelPrefix, at) || url.startsWith('/publish?', at) || (url.endsWith('/publish') && url.length === at + 8)
}

/** The answer that is under way on a connection. Node says it nowhere else: an upgrade or an error that comes behind one must not speak before it. */
export function activeResponse(socket: Duplex): Marked | undefined {
  return (socket as Duplex & { readonly _httpMessage?: Marked | null })._httpMessage ?? undefined
}

/** Through the guard, then to its address. */
function answerNow(site: Site, req: IncomingMessage, res: ServerResponse): void {
  // A request that was cut says so with an error; its answer has nobody to go to.
  req.on('error', ignored)
  let exchange: Exchange = { site, req, res, target: nowhere, headers: always }
  try {
    const target = orThrow(parseTarget(req.url ?? '', site.prefix))
    const origin = site.guard.check(visitorOf(req, target))
    exchange = { site, req, res, target, headers: origin === undefined ? always : [...always, ...corsFields(origin)] }
  } catch (error) {
    return refuse(exchange, error)
  }
  const preflight =
    req.method === 'OPTIONS' && req.headers.origin !== undefined && req.headers['access-control-request-method'] !== undefined
  if (preflight) return answerOptions(exchange, preflightFields)
  if (exchange.target.path === '') return sendBelow(exchange)
  if (exchange.target.path !== '*') return dispatch(exchange)
  if (req.method === 'OPTIONS') answerOptions(exchange, [])
  else refuse(exchange, new FanfareError('request-malformed', 'only OPTIONS may ask for *'))
}

/** The prefix itself: what the page there names stands below it. */
function sendBelow(exchange: Exchange): void {
  const { site, target, res } = exchange
  const query = target.query === '' ? '' : `?${target.query}`
  writeHead(exchange, 308, ['Location', `${site.prefix}/${query}`, 'Content-Length', '0'])
  res.end()
}

function ignored(): void {
  return undefined
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

/** Fields that may come once; which of two would count is anybody's guess. Host and Origin are the guard's. */
const singleFields = [
  'content-type',
  'content-encoding',
  'transfer-encoding',
  'fanfare-event',
  'fanfare-id',
  'idempotency-key',
  'last-event-id',
  'sec-websocket-key',
  'sec-websocket-version',
]
const single = new Map(singleFields.map((name, bit) => [name, 1 << bit]))
const singleLengths = new Set(singleFields.map((name) => name.length))
/** From so many fields on node may have dropped the rest, and with it what the guard has to see. */
const mostFields = 2000

/** What came, as the guard and the handlers have to see it: node joins repeated fields, or keeps only the first. */
export function visitorOf(req: IncomingMessage, target: Target): Visitor {
  const { rawHeaders, headers } = req
  if (rawHeaders.length >= mostFields * 2)
    throw new FanfareError('headers-too-large', `a request has less than ${mostFields} header fields`)
  let hosts = 0
  let origins = 0
  let seen = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? ''
    if (name.length === 4 && name.toLowerCase() === 'host') hosts++
    else if (name.length === 6 && name.toLowerCase() === 'origin') origins++
    else if (singleLengths.has(name.length)) {
      const bit = single.get(name.toLowerCase()) ?? 0
      if ((seen & bit) !== 0) throw new FanfareError('request-malformed', `${name.toLowerCase()} came twice`)
      seen |= bit
    }
  }
  const coding = headers['transfer-encoding']
  if (coding !== undefined && coding.toLowerCase() !== 'chunked')
    throw new FanfareError('request-malformed', 'the only transfer coding is chunked')
  return { host: headers.host, hosts, origin: headers.origin, origins, authority: target.authority, hostless: req.httpVersion === '1.0' }
}
