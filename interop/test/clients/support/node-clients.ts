import { setTimeout as sleep } from 'node:timers/promises'
import { EventSource } from 'eventsource'
import { WebSocket } from 'ws'
import type { Client, Place } from './client.ts'
import { tell } from './program.ts'
import { heardAnswer, heardOf, ndjsonReader, partReader, sseReader } from './readers.ts'
import type { Heard, Reader } from './readers.ts'

// Packages of npm and what Node has of itself, each with the few lines that its documents show.

const againMs = 100

/** It goes on by itself: the address keeps its `since`, and the cursor comes in its Last-Event-ID. */
export function eventSource(envelope: boolean): Client {
  return {
    name: `eventsource${envelope ? ' with envelopes' : ''}`,
    start({ url, channel, since }, taking) {
      const source = new EventSource(`${url}/channels/${channel}?since=${since}${envelope ? '&envelope=1' : ''}`)
      source.addEventListener('message', ({ data, lastEventId }) => {
        const heard = envelope
          ? heardOf(data as string)
          : { publication: { data: JSON.parse(data as string) as unknown, cursor: lastEventId } }
        if (envelope && heard.publication?.cursor !== lastEventId) taking.trouble(`id ${lastEventId} with ${data as string}`)
        tell([heard], taking)
      })
      source.addEventListener('fanfare.gap', ({ data }) => taking.trouble(data as string))
      // With a code the answer was a refusal, and it doesn't come back.
      source.addEventListener('error', ({ code, message }) => {
        if (code !== undefined) taking.trouble(`${code} ${message ?? ''}`)
      })
      return async () => await Promise.resolve(source.close())
    },
  }
}

export const envelopeSocket: Client = socketClient(
  'ws with envelopes',
  ({ url, channel }, since) => new WebSocket(`${wsOf(url)}/channels/${channel}?envelope=1&since=${since}`),
  (text) => [heardOf(text)],
)

export const fanfareV1: Client = socketClient(
  'ws with fanfare.v1',
  ({ url, channel }, since) => {
    const socket = new WebSocket(`${wsOf(url)}/connect`, 'fanfare.v1')
    socket.on('open', () => socket.send(JSON.stringify({ id: 1, subscribe: { channel, since } })))
    return socket
  },
  (text) => {
    const message = JSON.parse(text) as Record<string, { readonly cursor?: string } | undefined>
    if (message['ready'] !== undefined) return []
    const cursor = (message['ok'] ?? message['heartbeat'])?.cursor
    return cursor === undefined ? [heardOf(text)] : [{ cursor }]
  },
)

/** A frame is a payload. It carries no cursor: who publishes knows that of the last one. */
export const plainSocket: Client = {
  name: 'ws without envelopes',
  start(place, taking) {
    const answered = async (): Promise<string> => {
      const { length } = taking.all
      return length === 0 ? place.since : (await place.answerTo(length)).cursor
    }
    return socketClient(
      'plain',
      ({ url, channel }, since) => new WebSocket(`${wsOf(url)}/channels/${channel}?since=${since}`),
      (text) => [{ publication: { data: JSON.parse(text) as unknown } }],
      answered,
    ).start(place, taking)
  },
}

function wsOf(url: string): string {
  return url.replace(/^http/, 'ws')
}

function socketClient(
  name: string,
  connect: (place: Place, since: string) => WebSocket,
  read: (text: string) => readonly Heard[],
  beginning?: () => Promise<string>,
): Client {
  return {
    name,
    start(place, taking) {
      let since = place.since
      let socket: WebSocket | undefined
      const stopped = new AbortController()
      const lasting = async (): Promise<void> => {
        const one = connect(place, (await beginning?.()) ?? since)
        socket = one
        await new Promise<void>((resolve) => {
          one.on('message', (bytes) => {
            since = tell(read((bytes as Buffer).toString()), taking) ?? since
          })
          // Its close follows.
          one.on('error', () => undefined)
          one.on('close', () => resolve())
        })
      }
      const loop = repeat(lasting, stopped.signal)
      return async () => {
        stopped.abort()
        socket?.terminate()
        await loop
      }
    },
  }
}

export const fetchStream = fetchClient('fetch of a stream', 'application/x-ndjson', '', pieces(ndjsonReader))
export const fetchEvents = fetchClient('fetch of events', 'text/event-stream', '', pieces(sseReader))
export const fetchParts = fetchClient('fetch of parts', 'multipart/mixed', '', pieces(partReader))
export const fetchLongPoll = fetchClient('fetch of long polls', 'application/json', '&wait=20', whole)
export const fetchPoll = fetchClient('fetch of polls', 'application/json', '', whole)

type Body = (response: Response) => AsyncIterable<readonly Heard[]>

/** A body without end, piece by piece. */
function pieces(reader: () => Reader): Body {
  return async function* (response) {
    const read = reader()
    for await (const bytes of response.body ?? []) yield read(Buffer.from(bytes as Uint8Array))
  }
}

async function* whole(response: Response): AsyncIterable<readonly Heard[]> {
  yield heardAnswer(await response.text())
}

function fetchClient(name: string, accept: string, query: string, body: Body): Client {
  return {
    name,
    start({ url, channel, since }, taking) {
      const stopped = new AbortController()
      let place = since
      const lasting = async (): Promise<void> => {
        const response = await fetch(`${url}/channels/${channel}?since=${place}${query}`, {
          headers: { Accept: accept },
          signal: stopped.signal,
        })
        // The server goes down: come again.
        if (response.status === 503) return
        if (response.status !== 200) return taking.trouble(`${response.status} ${await response.text()}`)
        for await (const heard of body(response)) place = tell(heard, taking) ?? place
      }
      const loop = repeat(async () => {
        await lasting().catch((error: unknown) => {
          // "fetch failed" and "terminated" are a server that is gone; anything else is no part of it.
          if (!(error instanceof TypeError) && !stopped.signal.aborted) taking.trouble(String(error))
        })
      }, stopped.signal)
      return async () => {
        stopped.abort()
        await loop
      }
    },
  }
}

async function repeat(once: () => Promise<void>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await once()
    await sleep(againMs, undefined, { signal }).catch(() => undefined)
  }
}
