import { FanfareError } from '@fanfare/wire'
import { publishBatch } from './batch.ts'
import { channelPrefix } from './channel-name.ts'
import { head, remove } from './channel.ts'
import type { Exchange } from './exchange.ts'
import { refuse, writeHead } from './exchange.ts'
import { page } from './page.ts'
import { publish } from './publish.ts'
import { receiveOne, receivePosted, receiveSeveral } from './receive.ts'
import { alive, description, metricsPage, presence, ready } from './service.ts'

type Handler = (exchange: Exchange) => void
type Route = ReadonlyMap<string, Handler>

function route(handlers: Readonly<Record<string, Handler>>): Route {
  return new Map(Object.entries(handlers))
}

function upgradeOnly(exchange: Exchange): void {
  refuse(exchange, new FanfareError('upgrade-required', 'this address wants a request with Upgrade: websocket'))
}

const exact: ReadonlyMap<string, Route> = new Map([
  ['/', route({ GET: page, HEAD: page })],
  ['/subscribe', route({ GET: receiveSeveral, POST: receivePosted })],
  ['/publish', route({ POST: publishBatch })],
  ['/connect', route({ GET: upgradeOnly })],
  ['/healthz', route({ GET: alive, HEAD: alive })],
  ['/readyz', route({ GET: ready, HEAD: ready })],
  ['/metrics', route({ GET: metricsPage, HEAD: metricsPage })],
  ['/openapi.json', route({ GET: description, HEAD: description })],
])
const channelRoute = route({ POST: publish, GET: receiveOne, HEAD: head, DELETE: remove })
const presenceRoute = route({ GET: presence })

/** Finds the handler of an address and a method, and answers what it throws. */
export function dispatch(exchange: Exchange): void {
  const { req, site, target } = exchange
  try {
    const found = routeOf(target.path)
    if (found === undefined) throw addressUnknown(site.prefix)
    const handler = found.get(req.method ?? '')
    if (handler !== undefined) return handler(exchange)
    const allow = [...found.keys(), 'OPTIONS'].join(', ')
    if (req.method === 'OPTIONS') return answerOptions(exchange, ['Allow', allow])
    refuse(exchange, new FanfareError('method-not-allowed', `this address answers to ${allow}`), ['Allow', allow])
  } catch (error) {
    refuse(exchange, error)
  }
}

export function answerOptions(exchange: Exchange, fields: readonly string[]): void {
  writeHead(exchange, 204, fields)
  exchange.res.end()
}

/** Whoever comes to an address that is none hears where to go on. */
export function addressUnknown(prefix = ''): FanfareError {
  const text = `publish and receive at ${prefix}/channels/{channel}; ${prefix}/openapi.json describes all addresses`
  return new FanfareError('address-unknown', text)
}

/** Addresses that many an application has itself: beside its own routes they are Fanfare's only below a prefix. */
const common: ReadonlySet<string> = new Set(['/', '/healthz', '/readyz', '/metrics', '/openapi.json'])

/** Is it an address of Fanfare's alone, which no application would have by chance? */
export function isOwnAddress(path: string): boolean {
  return !common.has(path) && routeOf(path) !== undefined
}

function routeOf(path: string): Route | undefined {
  if (path.startsWith(channelPrefix)) return channelRoute
  return exact.get(path) ?? (path.startsWith('/presence/') ? presenceRoute : undefined)
}
