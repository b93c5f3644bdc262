import type { IncomingMessage } from 'node:http'
import {
  assertChannel,
  callbackProblem,
  FanfareError,
  isJsonNull,
  isProblem,
  jsonString,
  limits as wireLimits,
  missingChannel,
  orThrow,
  parseLimit,
  parseMediaType,
  parseOnGap,
  parseSince,
  parseWaitMs,
  preferredWaitMs,
  scanArray,
  scanObject,
  sinceOf,
} from '@fanfare/wire'
import type { JsonSlice, Problem, Since } from '@fanfare/wire'
import { tellable } from '../protocols/tellable.ts'
import { chooseTransport, wayProblem } from '../transports/negotiate.ts'
import type { Question, Transport } from '../transports/transport.ts'
import { readBody } from './body.ts'
import { channelOf } from './channel-name.ts'
import type { Exchange } from './exchange.ts'
import { refuse, work } from './exchange.ts'
import { refuseEncodings } from './publish.ts'
import { checkScript, targetOriginOf } from './script-guard.ts'
import type { Site } from './site.ts'
import type { Query, Target } from './target.ts'
import { onlyValue, parseQuery } from './target.ts'

type Channels = Question['channels']

/** `GET /channels/{channel}` */
export function receiveOne(exchange: Exchange): void {
  receive(exchange, [{ channel: channelOf(exchange.target) }])
}

/** `GET /subscribe?channel=a&channel=b` */
export function receiveSeveral(exchange: Exchange): void {
  receive(exchange, channelsOfQuery(exchange.site, exchange.target))
}

/** `POST /subscribe` with a JSON body. */
export function receivePosted(exchange: Exchange): void {
  const { site, req, res } = exchange
  refuseEncodings(req.headers)
  const type = req.headers['content-type']
  const media = type === undefined || type === '' ? undefined : orThrow(parseMediaType(type))
  // The form is what curl -d says by itself.
  if (media !== undefined && !/^(?:application\/(?:json|x-www-form-urlencoded)|text\/plain|.*\+json)$/.test(media.essence))
    throw new FanfareError('media-type-unsupported', 'a subscription is JSON')
  const bodyLimits = { mostBytes: subscriptionBytes, tooLarge: 'body-too-large' as const, bodyMs: site.settings.limits.bodyMs }
  work(exchange, async () => {
    const body = await readBody(req, res, site.ground.wheel, bodyLimits)
    if (body === undefined) return
    const asked = parseSubscription(body, site)
    receive(exchange, asked.channels, asked.since)
  })
}

/** 64 channels with names, escapes and cursors. */
const subscriptionBytes = 256 * 1024

function receive(exchange: Exchange, channels: Channels, since?: Since): void {
  const { site, req, res, headers } = exchange
  const { question, transport, place } = askedOf(site, req, exchange.target, channels, { upgrade: false, since })
  const refuseAs = (error: unknown): void => {
    let failure: unknown
    const known = tellable(error, (inside) => (failure = inside))
    if (transport.refuse?.({ res, question, headers, error: known, afterMs: retryMs(site) }) !== true) refuse(exchange, error)
    else if (failure !== undefined) site.ground.report(failure)
  }
  if (place !== undefined) return refuseAs(new FanfareError(place.code, place.problem))
  if (site.state.draining) return refuseAs(new FanfareError('draining', 'the server goes down; come again'))
  transport.receive?.({ req, res, question, headers, refuse: refuseAs })
}

/** When to come again, spread so that not all come at once. */
export function retryMs(site: Site): number {
  const [byte = 0] = site.random(1)
  return 1000 + byte * 16
}

export function channelsOfQuery(site: Site, target: Target): Channels {
  const query = orThrow(parseQuery(target.query))
  const names = [...new Set(query.get('channel') ?? [])]
  if (names.length === 0) throw new FanfareError('parameter-invalid', 'name at least one channel: ?channel=a&channel=b')
  return checkedChannels(
    site,
    names.map((channel) => ({ channel })),
  )
}

export interface Asked {
  readonly question: Question
  readonly transport: Transport
  /** What is wrong with the place to begin: the transport may say it in its own form. */
  readonly place: Problem | undefined
}

/** Parameters and header fields of a receiver, checked; and the transport that they ask for. */
export function askedOf(
  site: Site,
  req: IncomingMessage,
  target: Target,
  channels: Channels,
  more: { upgrade: boolean; since?: Since | undefined },
): Asked {
  const query = orThrow(parseQuery(target.query))
  const only = (name: string): string | undefined => orThrow(onlyValue(query, name))
  const wait = only('wait')
  const waitMs = wait === undefined ? undefined : orThrow(parseWaitMs(wait))
  const preferred = waitMs === undefined ? preferredWaitMs(preferOf(req)) : undefined
  const wishedMs = waitMs ?? preferred
  const transport = transportOf(site, query, req, more.upgrade, wishedMs !== undefined && wishedMs > 0)
  const lastEventId = req.headers['last-event-id']
  const resumed = typeof lastEventId === 'string' && lastEventId !== '' ? lastEventId : undefined
  const asked = parseSince({ lastEventId: resumed, since: only('since'), last: only('last') })
  const place = isProblem(asked) ? asked : undefined
  if (place !== undefined && place.code !== 'cursor-invalid') orThrow(place)
  const limit = only('limit')
  const envelope = flagOf('envelope', only('envelope')) || channels.length > 1
  const since = (isProblem(asked) ? undefined : asked) ?? more.since ?? { at: 'latest' }
  const question: Question = {
    channels,
    since,
    envelope,
    waitMs: wishedMs,
    preferred: preferred !== undefined,
    onGap: orThrow(parseOnGap(only('onGap'))),
    limit: Math.min(limit === undefined ? wireLimits.pollPublications : orThrow(parseLimit(limit)), site.settings.limits.pollPublications),
    callback: callbackOf(only('callback'), transport, only('targetOrigin')),
    targetOrigin: targetOriginOf(site.guard, req.headers.host, only('targetOrigin')),
    shareable: req.method === 'GET' && resumed === undefined && channels.every(({ channel }) => site.ruleOf(channel).public),
  }
  return { question, transport, place }
}

function callbackOf(callback: string | undefined, transport: Transport, targetOrigin: string | undefined): string | undefined {
  const wanted = transport.script === true && !(transport.name === 'iframe' && targetOrigin !== undefined)
  if (callback === undefined && wanted) throw new FanfareError('parameter-invalid', 'callback names the function to call')
  return callback
}

function preferOf(req: IncomingMessage): string | undefined {
  const { prefer } = req.headers
  return Array.isArray(prefer) ? prefer.join(', ') : prefer
}

function transportOf(site: Site, query: Query, req: IncomingMessage, upgrade: boolean, waits: boolean): Transport {
  const callback = orThrow(onlyValue(query, 'callback'))
  const badCallback = callback === undefined ? undefined : callbackProblem(callback)
  if (badCallback !== undefined) orThrow(badCallback)
  const name = orThrow(chooseTransport({ named: orThrow(onlyValue(query, 'transport')), upgrade, accept: req.headers.accept, waits }))
  if (!site.settings.transports.has(name)) throw new FanfareError('transport-disabled', `${name} is switched off here`)
  const transport = site.transports.get(name)
  if (transport === undefined) throw new FanfareError('not-available', `${name} is not built yet`)
  const wrongWay = wayProblem(name, upgrade)
  if (wrongWay !== undefined) throw new FanfareError(wrongWay.code, wrongWay.problem)
  if (transport.script === true) checkScript(site.guard, req.headers)
  return transport
}

export function flagOf(name: string, value: string | undefined): boolean {
  if (value === undefined || value === '0' || value === 'false') return false
  if (value === '1' || value === 'true') return true
  throw new FanfareError('parameter-invalid', `${name} is 1 or 0`)
}

interface Subscription {
  readonly channels: Channels
  readonly since: Since | undefined
}

function parseSubscription(body: Uint8Array, site: Site): Subscription {
  const members = orThrow(scanObject(body))
  const list = members.get('channels')
  if (list === undefined) throw new FanfareError('parameter-invalid', 'channels is missing')
  const elements = scanArray(list, site.settings.limits.channelsPerResponse + 1)
  if (isProblem(elements))
    throw new FanfareError('parameter-invalid', `channels is an array of at most ${site.settings.limits.channelsPerResponse} channels`)
  if (elements.length === 0) throw new FanfareError('parameter-invalid', 'channels names at least one channel')
  const channels = checkedChannels(site, elements.map(subscribedChannel))
  const since = orThrow(sinceOf(members))
  if (since !== undefined || channels.every((channel) => channel.since === undefined)) return { channels, since }
  // `latest` is where those begin that say nothing; as the common place it would be later than all others.
  return { channels: channels.map((channel) => ({ since: { at: 'latest' }, ...channel })), since: { at: 'earliest' } }
}

function subscribedChannel(element: JsonSlice): Channels[number] {
  const name = jsonString(element)
  if (name !== undefined) return { channel: name }
  const members = scanObject(element)
  if (isProblem(members)) throw new FanfareError('parameter-invalid', 'a channel is a string, or an object with channel and since')
  const slice = members.get('channel')
  const missing = slice === undefined || isJsonNull(slice)
  const channel = orThrow(missing ? missingChannel(members, ['channel', 'since', 'last']) : jsonString(slice))
  if (channel === undefined) throw new FanfareError('channel-name-invalid', 'channel is a string')
  const since = orThrow(sinceOf(members))
  return since === undefined ? { channel } : { channel, since }
}

function checkedChannels(site: Site, channels: Channels): Channels {
  const most = site.settings.limits.channelsPerResponse
  if (channels.length > most) throw new FanfareError('parameter-invalid', `a response has at most ${most} channels`)
  const seen = new Set<string>()
  for (const { channel } of channels) {
    assertChannel(channel)
    if (seen.has(channel)) throw new FanfareError('parameter-invalid', `${channel} is named more than once`)
    seen.add(channel)
  }
  return channels
}
