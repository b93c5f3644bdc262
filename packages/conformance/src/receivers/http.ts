import http from 'node:http'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import https from 'node:https'
import type { Ask, ToldEnd } from './receiver.ts'

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Uint8Array
  readonly text: string
}

export interface Asked {
  readonly method?: string
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array | undefined
}

/** A whole answer. Rejects where the connection breaks before its end. */
export async function askHttp(url: string, asked: Asked, signal?: AbortSignal): Promise<Answer> {
  const response = await openHttp(url, asked, signal)
  const body = await bodyOf(response)
  return { status: response.statusCode ?? 0, headers: response.headers, body, text: new TextDecoder().decode(body) }
}

/** The head of an answer, and its body as a stream. Without an agent a connection of its own, so that a cut cuts nobody else. */
export async function openHttp(url: string, asked: Asked, signal?: AbortSignal, agent?: http.Agent): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const { method = 'GET', path, headers = {}, body } = asked
    const { protocol, hostname, port } = new URL(url)
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }
    const sent = moduleOf(url).request(
      // The path goes as it is: read as a URL it would lose what is to be refused, such as `..`.
      {
        protocol,
        hostname: hostname.replace(/^\[|\]$/g, ''),
        port,
        path,
        method,
        headers: { ...length, ...headers },
        agent: agent ?? false,
        ...(signal === undefined ? {} : { signal }),
      },
      resolve,
    )
    sent.on('error', reject)
    sent.end(body)
  })
}

/** Keeps so many connections to the server. */
export function keptAgent(url: string, maxSockets: number): http.Agent {
  return new (moduleOf(url).Agent)({ keepAlive: true, maxSockets })
}

function moduleOf(url: string): typeof http | typeof https {
  return url.startsWith('https:') ? https : http
}

/** A refusal with a status of its own: a problem document (RFC 9457). */
export function endOfRefusal(status: number, headers: IncomingHttpHeaders, body: Uint8Array): ToldEnd {
  const text = new TextDecoder().decode(body)
  const type = headers['content-type'] ?? 'no content type'
  return {
    kind: 'end',
    code: status,
    reason: /^application\/problem\+json\b/.test(type) ? text : `no problem document but ${type}: ${text.slice(0, 500)}`,
  }
}

/** No answer that ends is larger: a batch of 10,000 answers with 2 MiB. */
const mostBodyBytes = 16 * 1024 * 1024

/** All of a body. Rejects, and reads no further, where it is larger than any that is right. */
export async function bodyOf(response: IncomingMessage): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of response as AsyncIterable<Uint8Array>) {
    length += chunk.length
    if (length > mostBodyBytes) throw new Error(`an answer has more than ${mostBodyBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

export function channelPath(channel: string): string {
  return `/channels/${channel.split('/').map(encodeURIComponent).join('/')}`
}

/** The request for what is asked: one channel at its own address, several at `/subscribe`, places of their own in its body. */
export function askedOf(ask: Ask, transport: string, more: Readonly<Record<string, string>> = {}): Asked {
  const { channels, since, sinceOf, last, onGap, headers = {} } = ask
  const words = new URLSearchParams({ transport, ...more })
  if (onGap !== undefined) words.set('onGap', onGap)
  if (last !== undefined) words.set('last', String(last))
  for (const [name, value] of Object.entries(ask.words ?? {})) words.set(name, value)
  if (sinceOf !== undefined) {
    const body = JSON.stringify({ channels: channels.map((channel) => ({ channel, since: sinceOf.get(channel) })), since })
    return { method: 'POST', path: `/subscribe?${words.toString()}`, headers: { ...headers, 'content-type': 'application/json' }, body }
  }
  if (since !== undefined) words.set('since', since)
  const [only] = channels
  if (channels.length === 1 && only !== undefined) return { path: `${channelPath(only)}?${words.toString()}`, headers }
  for (const channel of channels) words.append('channel', channel)
  return { path: `/subscribe?${words.toString()}`, headers }
}
