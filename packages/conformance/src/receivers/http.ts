import { request } from 'node:http'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { Ask } from './receiver.ts'

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

/** The head of an answer, and its body as a stream. A connection of its own, so that a cut cuts nobody else. */
export async function openHttp(url: string, asked: Asked, signal?: AbortSignal): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const { method = 'GET', headers = {}, body } = asked
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }
    const sent = request(
      url + asked.path,
      { method, headers: { ...length, ...headers }, agent: false, ...(signal === undefined ? {} : { signal }) },
      resolve,
    )
    sent.on('error', reject)
    sent.end(body)
  })
}

export async function bodyOf(response: IncomingMessage): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const chunk of response as AsyncIterable<Uint8Array>) chunks.push(chunk)
  return Buffer.concat(chunks)
}

export function channelPath(channel: string): string {
  return `/channels/${channel.split('/').map(encodeURIComponent).join('/')}`
}

/** The request for what is asked: one channel at its own address, several at `/subscribe`, places of their own in its body. */
export function askedOf(ask: Ask, transport: string, more: Readonly<Record<string, string>> = {}): Asked {
  const { channels, since, sinceOf, last, onGap } = ask
  const words = new URLSearchParams({ transport, ...more })
  if (onGap !== undefined) words.set('onGap', onGap)
  if (last !== undefined) words.set('last', String(last))
  if (sinceOf !== undefined) {
    const body = JSON.stringify({ channels: channels.map((channel) => ({ channel, since: sinceOf.get(channel) })), since })
    return { method: 'POST', path: `/subscribe?${words.toString()}`, headers: { 'content-type': 'application/json' }, body }
  }
  if (since !== undefined) words.set('since', since)
  const [only] = channels
  if (channels.length === 1 && only !== undefined) return { path: `${channelPath(only)}?${words.toString()}` }
  for (const channel of channels) words.append('channel', channel)
  return { path: `/subscribe?${words.toString()}` }
}
