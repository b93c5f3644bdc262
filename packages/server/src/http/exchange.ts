import type { IncomingMessage, ServerResponse } from 'node:http'
import { FanfareError } from '@fanfare/wire'
import { tellable } from '../protocols/tellable.ts'
import { expectsContinue } from './body.ts'
import type { Site } from './site.ts'
import type { Target } from './target.ts'

/** One request that passed the guard, and its answer. */
export interface Exchange {
  readonly site: Site
  readonly req: IncomingMessage
  readonly res: ServerResponse
  readonly target: Target
  /** Header fields that every answer to this request bears. */
  readonly headers: readonly string[]
}

/** Writes the head. Once the server goes down each answer is the last on its connection, so that no client sends into one that closes. */
export function writeHead({ site, res, headers }: Exchange, status: number, fields: readonly string[]): void {
  if (site.state.draining) res.shouldKeepAlive = false
  res.writeHead(status, headers.concat(fields))
}

/** An answer with JSON; `fields` are more header fields. */
export function answerJson(exchange: Exchange, status: number, json: string, fields: readonly string[] = noFields): void {
  const { res } = exchange
  if (res.headersSent || res.destroyed) return
  const length = String(Buffer.byteLength(json))
  writeHead(exchange, status, ['Content-Type', 'application/json', 'Content-Length', length, ...noStore, ...fields])
  res.end(json)
}

/** A problem document (RFC 9457). Anything that is no FanfareError is told as `internal`, and logged. */
export function refuse(exchange: Exchange, error: unknown, fields: readonly string[] = noFields): void {
  const { req, res, site } = exchange
  const known = tellable(error, (failure) => site.ground.report(failure))
  if (res.headersSent || res.destroyed) return
  const json = problemJson(known)
  const length = String(Buffer.byteLength(json))
  const head = ['Content-Type', 'application/problem+json', 'Content-Length', length, ...noStore, ...fieldsOf(known), ...fields]
  const unread = unreadBody(req)
  if (unread !== 'none') res.shouldKeepAlive = false
  writeHead(exchange, known.status, head)
  if (unread !== 'coming') return void res.end(json)
  // A socket that is closed while data arrives is reset, and the client may never see the answer: what comes is dropped for a while.
  res.write(json)
  req.resume()
  const timer = site.ground.wheel.timer({ onTime: () => res.end() })
  timer.start(lingerMs)
  req.once('close', () => {
    timer.stop()
    res.end()
  })
  req.once('end', () => res.end())
}

const lingerMs = 2000
/** So much is read to the end, and the connection stays. */
const smallBodyBytes = 64 * 1024

/** Is there more of the body to come? `withheld`: the client waits for `100 Continue` and will not send it. */
function unreadBody(req: IncomingMessage): 'none' | 'coming' | 'withheld' {
  if (req.complete) return 'none'
  const { 'content-length': declared, 'transfer-encoding': coding } = req.headers
  if (expectsContinue(req)) return 'withheld'
  if (coding === undefined && (declared === undefined || Number(declared) === 0)) return 'none'
  return coding === undefined && Number(declared) <= smallBodyBytes ? 'none' : 'coming'
}

/** Fields that belong to an error wherever it happens. */
function fieldsOf(error: FanfareError): readonly string[] {
  if (error.retry && (error.status === 503 || error.status === 429)) return ['Retry-After', '1']
  if (error.status === 426) return ['Upgrade', 'websocket', 'Connection', 'Upgrade']
  // Who is mistaken about one request, or late with it, may be about where the next one begins.
  return error.code === 'request-malformed' || error.code === 'request-timeout' ? ['Connection', 'close'] : noFields
}

export function problemJson(error: FanfareError): string {
  const { status, title, code, extra } = error
  return JSON.stringify({ status, title, detail: error.message, code, ...extra })
}

/**
 * Does work that takes time and answers it; what it throws is refused. A clean end waits for it; once the server goes down nothing is begun. The response's
 * own end is no measure: of a request that was sent ahead it never comes, where the client goes first.
 */
export function work(exchange: Exchange, task: () => Promise<void>): void {
  begin(exchange.site)
  task()
    .catch((error: unknown) => refuse(exchange, error))
    .finally(() => end(exchange.site))
}

/** Each `begin` wants its `end`. Throws `draining` once the server goes down. */
export function begin({ state }: Site): void {
  if (state.draining) throw new FanfareError('draining', 'the server goes down; come again')
  state.underWay++
}

export function end({ state }: Site): void {
  if (--state.underWay === 0) state.onQuiet?.()
}

const noFields: readonly string[] = []
const noStore = ['Cache-Control', 'no-store']
