import { readFileSync } from 'node:fs'
import { FanfareError, orThrow, assertChannel } from '@fanfare/wire'
import type { Exchange } from './exchange.ts'
import { answerJson, refuse, writeHead } from './exchange.ts'
import { decodeName } from './target.ts'

/** `/healthz`: the process answers. */
export function alive(exchange: Exchange): void {
  answerJson(exchange, 200, '{"status":"alive"}')
}

/** `/readyz`: it can deliver, and is not going down. */
export function ready(exchange: Exchange): void {
  const { site } = exchange
  if (site.state.draining) return refuse(exchange, new FanfareError('draining', 'the server goes down'))
  if (!site.node.ready) return refuse(exchange, new FanfareError('storage-failed', 'the store does not answer'))
  answerJson(exchange, 200, '{"status":"ready"}')
}

/** `/metrics`: Prometheus text. */
export function metricsPage(exchange: Exchange): void {
  const { res, site } = exchange
  const body = site.metrics.page()
  const fields = [
    'Content-Type',
    'text/plain; version=0.0.4; charset=utf-8',
    'Content-Length',
    String(Buffer.byteLength(body)),
    'Cache-Control',
    'no-store',
  ]
  writeHead(exchange, 200, fields)
  res.end(body)
}

let openapi: object | undefined

/** `/openapi.json`: the description of all addresses, which stand below the prefix where there is one. */
export function description(exchange: Exchange): void {
  openapi ??= JSON.parse(readFileSync(new URL('./openapi.json', import.meta.url), 'utf8')) as object
  const { prefix } = exchange.site
  answerJson(exchange, 200, JSON.stringify(prefix === '' ? openapi : { ...openapi, servers: [{ url: prefix }] }))
}

/** `/presence/{channel}` */
export function presence(exchange: Exchange): void {
  assertChannel(orThrow(decodeName(exchange.target.path.slice('/presence/'.length))))
  refuse(exchange, new FanfareError('not-available', 'presence is not built yet'))
}
