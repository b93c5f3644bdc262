import { Agent, request } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { WebSocket } from 'ws'

// Receivers of a test's own, as small as they can be and with nothing of Fanfare's in them: what they hold is what came over the wire.

export interface Publication {
  readonly channel: string
  readonly offset: number
  readonly cursor: string
  readonly data: unknown
}

export interface Gap {
  readonly channel: string
  readonly reason: string
  readonly missed: number | null
  readonly at: string
}

export interface Told {
  /** A place without a publication: an opening, an empty answer, a heartbeat. */
  cursor(cursor: string): void
  publication(publication: Publication): void
  gap(gap: Gap): void
}

/** One connection's worth of following: resolves when the server or the signal ends it. `since` is a cursor, `earliest` or `latest`. */
export type Follow = (url: string, channels: readonly string[], since: string, told: Told, signal: AbortSignal) => Promise<void>

export interface Answer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** Connections that are kept for the next request. */
export const agent = new Agent({ keepAlive: true, maxSockets: 256 })

export async function call(
  url: string,
  options: { method?: string; headers?: Record<string, string>; body?: string | Buffer; signal?: AbortSignal } = {},
): Promise<Answer> {
  const res = await open(url, options)
  const parts: Buffer[] = []
  for await (const part of res) parts.push(part as Buffer)
  return { status: res.statusCode ?? 0, headers: res.headers, body: Buffer.concat(parts).toString() }
}

async function open(
  url: string,
  {
    method = 'GET',
    headers = {},
    body,
    signal,
  }: { method?: string; headers?: Record<string, string>; body?: string | Buffer; signal?: AbortSignal },
): Promise<IncomingMessage> {
  return await new Promise((resolve, reject) => {
    const req = request(url, { method, headers, agent, ...(signal === undefined ? {} : { signal }) }, resolve)
    req.on('error', reject)
    req.end(body)
  })
}

interface PollAnswer {
  readonly cursor: string
  readonly publications: readonly Publication[]
  readonly more: boolean
  readonly gaps: readonly Gap[]
}

const pollEveryMs = 20

function address(url: string, channels: readonly string[], since: string, query: string): string {
  const [only] = channels
  const path = channels.length === 1 ? `/channels/${only}?` : `/subscribe?${channels.map((channel) => `channel=${channel}`).join('&')}&`
  return `${url}${path}since=${since}${query}`
}

/** One poll; throws where it is refused. */
export async function pollOnce(
  url: string,
  channels: readonly string[],
  since: string,
  query = '',
  signal?: AbortSignal,
): Promise<PollAnswer> {
  const answer = await call(address(url, channels, since, query), signal === undefined ? {} : { signal })
  if (answer.status !== 200) throw new Error(`a poll from ${since} was refused: ${answer.status} ${answer.body}`)
  return JSON.parse(answer.body) as PollAnswer
}

function tell(answer: PollAnswer, told: Told): void {
  for (const gap of answer.gaps) told.gap(gap)
  for (const publication of answer.publications) told.publication(publication)
  told.cursor(answer.cursor)
}

function polling(query: string): Follow {
  return async (url, channels, since, told, signal) => {
    let from = since
    while (!signal.aborted) {
      const answer = await pollOnce(url, channels, from, query, signal)
      tell(answer, told)
      from = answer.cursor
      if (query === '' && answer.publications.length === 0) await pause(signal)
    }
  }
}

async function pause(signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(done, pollEveryMs)
    function done(): void {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    signal.addEventListener('abort', done)
  })
}

/** Server-sent events, with the publication as JSON or with the payload alone. */
function eventStream(envelope: boolean): Follow {
  return async (url, channels, since, told, signal) => {
    const res = await open(address(url, channels, since, envelope ? '&envelope=1' : ''), {
      headers: { Accept: 'text/event-stream' },
      signal,
    })
    if (res.statusCode !== 200) throw new Error(`an event stream from ${since} was refused: ${res.statusCode}`)
    let rest = ''
    let event = ''
    let id = ''
    let data: string[] = []
    res.setEncoding('utf8')
    for await (const part of res) {
      const lines = (rest + (part as string)).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        if (line.startsWith('data:')) data.push(line.slice(line[5] === ' ' ? 6 : 5))
        else if (line.startsWith('id:')) id = line.slice(3).trim()
        else if (line.startsWith('event:')) event = line.slice(6).trim()
        else if (line === '') {
          dispatch(event, id, data, envelope, told)
          event = ''
          data = []
        }
      }
    }
  }
}

function dispatch(event: string, id: string, data: readonly string[], envelope: boolean, told: Told): void {
  if (event === 'fanfare.gap') told.gap(JSON.parse(data.join('\n')) as Gap)
  else if (data.length === 0 || event === 'fanfare.ready') {
    if (id !== '') told.cursor(id)
  } else if (envelope) told.publication(JSON.parse(data.join('\n')) as Publication)
  else told.publication({ channel: '', offset: 0, cursor: id, data: data.join('\n') })
}

type Said = Partial<Publication> & {
  readonly gap?: Gap
  readonly ok?: { readonly cursor?: string }
  readonly error?: unknown
  readonly heartbeat?: { readonly cursor: string }
}

/** Opens a WebSocket and hands each message on as JSON until it ends. */
async function socket(url: string, opened: (ws: WebSocket) => void, heard: (said: Said) => void, signal: AbortSignal): Promise<void> {
  const ws = new WebSocket(url.replace(/^http/, 'ws'), { perMessageDeflate: false })
  const stop = (): void => ws.terminate()
  signal.addEventListener('abort', stop)
  try {
    await new Promise<void>((resolve, reject) => {
      ws.on('open', () => opened(ws))
      ws.on('message', (data) => {
        try {
          heard(JSON.parse((data as Buffer).toString()) as Said)
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)))
          ws.terminate()
        }
      })
      ws.on('error', reject)
      ws.on('close', () => resolve())
    })
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

function hear(said: Said, told: Told): void {
  if (said.error !== undefined) throw new Error(`refused: ${JSON.stringify(said.error)}`)
  if (said.gap !== undefined) told.gap(said.gap)
  else if (said.channel !== undefined && said.offset !== undefined) told.publication(said as Publication)
  else if (said.ok?.cursor !== undefined) told.cursor(said.ok.cursor)
  else if (said.heartbeat !== undefined) told.cursor(said.heartbeat.cursor)
  else if (said.cursor !== undefined) told.cursor(said.cursor)
}

const envelopeSocket: Follow = async (url, channels, since, told, signal) => {
  await socket(
    address(url, channels, since, '&envelope=1'),
    () => undefined,
    (said) => hear(said, told),
    signal,
  )
}

const fanfareV1: Follow = async (url, channels, since, told, signal) => {
  const begin = (ws: WebSocket): void =>
    ws.send(JSON.stringify(channels.map((channel, index) => ({ id: index + 1, subscribe: { channel, since } }))))
  await socket(`${url}/connect`, begin, (said) => hear(said, told), signal)
}

export const follows = {
  poll: polling(''),
  'long-poll': polling('&wait=20'),
  sse: eventStream(false),
  'sse with envelopes': eventStream(true),
  websocket: envelopeSocket,
  'fanfare.v1': fanfareV1,
} as const satisfies Record<string, Follow>
