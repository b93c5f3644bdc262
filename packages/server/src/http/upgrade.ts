import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { STATUS_CODES } from 'node:http'
import { FanfareError, orThrow } from '@fanfare/wire'
import { plainConversation } from '../protocols/plain-conversation.ts'
import { protocols } from '../protocols/index.ts'
import { tellable } from '../protocols/tellable.ts'
import type { ProtocolContext } from '../protocols/protocol.ts'
import { destroyOnError } from '../transports/socket-writer.ts'
import type { UpgradeCall } from '../transports/transport.ts'
import { receiveRequest } from '../transports/transport.ts'
import { channelOf, channelPrefix } from './channel-name.ts'
import { answerDeclined } from './declined-upgrade.ts'
import { answer, visitorOf } from './entry.ts'
import { problemJson } from './exchange.ts'
import { askedOf, channelsOfQuery } from './receive.ts'
import { addressUnknown } from './router.ts'
import type { Site } from './site.ts'
import type { Target } from './target.ts'
import { parseTarget } from './target.ts'

/** An upgrade to WebSocket: through the same guard as requests; what is refused is answered, and its socket destroyed. */
export function upgrade(site: Site, req: IncomingMessage, socket: Duplex, head: Buffer): void {
  destroyOnError(socket)
  try {
    if (declines(req)) return answerDeclined(req, socket, head, (asked, res) => answer(site, asked, res))
    const target = orThrow(parseTarget(req.url ?? '', site.prefix))
    checkHandshake(req)
    site.guard.check(visitorOf(req, target))
    if (site.state.draining) throw new FanfareError('draining', 'the server goes down; come again')
    const { converse, subprotocol, transport } = destination(site, req, target)
    const call: UpgradeCall = { req, socket, head, subprotocol, converse }
    transport.upgrade?.(call)
  } catch (error) {
    refuseUpgrade(
      socket,
      tellable(error, (failure) => site.ground.report(failure)),
    )
  }
}

type Destination = Pick<UpgradeCall, 'converse' | 'subprotocol'> & { readonly transport: { upgrade?(call: UpgradeCall): void } }

function destination(site: Site, req: IncomingMessage, target: Target): Destination {
  if (target.path === '/connect') return connection(site, req)
  const one = target.path.startsWith(channelPrefix)
  if (!one && target.path !== '/subscribe') throw addressUnknown(site.prefix)
  const channels = one ? [{ channel: channelOf(target) }] : channelsOfQuery(site, target)
  const { question, transport, place } = askedOf(site, req, target, channels, { upgrade: true })
  if (place !== undefined) throw new FanfareError(place.code, place.problem)
  const context = contextOf(site)
  const publishTo = channels.length === 1 ? channels[0]?.channel : undefined
  return {
    transport,
    subprotocol: undefined,
    converse: (link) => {
      const receive = receiveRequest(question, site.ground.forms.message(question.envelope, link.framing), 'endless')
      return plainConversation(context, { receive, publishTo, envelope: question.envelope })(link)
    },
  }
}

/** One for all connections of a server. */
const contexts = new WeakMap<Site, ProtocolContext>()

function contextOf(site: Site): ProtocolContext {
  const known = contexts.get(site)
  if (known !== undefined) return known
  const { node, nodeName, ground, settings } = site
  const context: ProtocolContext = { node, limits: settings.limits, nodeName, report: (error) => ground.report(error) }
  contexts.set(site, context)
  return context
}

function connection(site: Site, req: IncomingMessage): Destination {
  if (!site.settings.transports.has('websocket')) throw new FanfareError('transport-disabled', 'websocket is switched off here')
  const transport = site.transports.get('websocket')
  if (transport === undefined) throw new FanfareError('not-available', 'websocket is not built yet')
  const offered = (req.headers['sec-websocket-protocol'] ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
  const protocol = offered.length === 0 ? protocols[0] : protocols.find(({ name }) => offered.includes(name))
  if (protocol === undefined)
    throw new FanfareError('upgrade-invalid', `the subprotocols here are ${protocols.map(({ name }) => name).join(', ')}`)
  const context = contextOf(site)
  return { transport, subprotocol: offered.length === 0 ? undefined : protocol.name, converse: (link) => protocol.converse(link, context) }
}

/** An offer of something else, which names nothing of WebSocket: it may be ignored. */
function declines(req: IncomingMessage): boolean {
  const { upgrade: offered = '', 'sec-websocket-key': key, 'sec-websocket-version': version } = req.headers
  return key === undefined && version === undefined && req.httpVersion === '1.1' && !offered.toLowerCase().includes('websocket')
}

/** RFC 6455, section 4.2.1. */
function checkHandshake(req: IncomingMessage): void {
  const { headers } = req
  const invalid = (detail: string): FanfareError => new FanfareError('upgrade-invalid', detail)
  if (req.httpVersion !== '1.1') throw invalid('an upgrade wants HTTP/1.1')
  if (req.method !== 'GET') throw invalid('an upgrade to WebSocket is a GET')
  if (!namesWebSocket(headers.upgrade)) throw invalid('only Upgrade: websocket is known')
  // `ws` compares the whole field.
  headers.upgrade = 'websocket'
  if (Number(headers['content-length'] ?? 0) !== 0 || headers['transfer-encoding'] !== undefined) throw invalid('an upgrade has no body')
  const key = headers['sec-websocket-key']
  if (key === undefined || !/^[A-Za-z0-9+/]{21}[AQgw]==$/.test(key)) throw invalid('Sec-WebSocket-Key is 16 bytes in base64')
  if (headers['sec-websocket-version'] !== '13') throw new FanfareError('upgrade-required', 'the version of WebSocket is 13')
  const protocol = headers['sec-websocket-protocol']
  if (protocol !== undefined && !isTokenList(protocol)) throw invalid('Sec-WebSocket-Protocol is a list of different tokens')
}

/** The field is a list, compared without case; a version after a slash would name another protocol. */
function namesWebSocket(field: string | undefined): boolean {
  return field?.split(',').some((token) => token.trim().toLowerCase() === 'websocket') === true
}

function isTokenList(text: string): boolean {
  const tokens = text.split(',').map((token) => token.trim())
  return tokens.every((token) => /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(token)) && new Set(tokens).size === tokens.length
}

/** Nothing of such a connection is used again, so that no proxy takes what follows for a tunnel. */
export function refuseUpgrade(socket: Duplex, error: FanfareError): void {
  const body = problemJson(error)
  const fields = [
    `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status] ?? error.title}`,
    'Content-Type: application/problem+json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Cache-Control: no-store',
    'X-Content-Type-Options: nosniff',
    'Vary: Origin',
    'Connection: close',
  ]
  if (error.status === 426) fields.push('Upgrade: websocket', 'Sec-WebSocket-Version: 13')
  if (error.status === 503 || error.status === 429) fields.push('Retry-After: 1')
  if (socket.writable) socket.end(`${fields.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy())
  else socket.destroy()
}
