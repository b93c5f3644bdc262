import { encodeUtf8, sseParser } from '@fanfare/wire'
import type { SseReceived } from '@fanfare/wire'
import { bodyOf, refusalOf } from '../http-client.ts'
import { cutBy, endedBy, gapOf, publicationOf, receivePath } from './parts.ts'
import type { Ended, ReceiveOptions, Received } from './receive.ts'

// The server's heartbeat comes every 15 s.
const silenceMs = 45_000

/** Server-Sent Events with the envelope, so that every payload arrives as it was. */
export async function receiveSse(options: ReceiveOptions): Promise<Ended> {
  const { url, client, channels, begin, signal } = options
  try {
    const path = receivePath(channels, { ...begin, transport: 'sse', envelope: '1' })
    const answer = await client.request({ path, headers: { Accept: 'text/event-stream' }, silenceMs, signal })
    if (answer.statusCode !== 200) return endedBy(refusalOf(answer.statusCode ?? 0, answer.headers, await bodyOf(answer)))
    if (!/^text\/event-stream\b/.test(answer.headers['content-type'] ?? '')) {
      answer.destroy()
      return { kind: 'refused', why: `what listens at ${url.origin} answers, but not with Server-Sent Events` }
    }
    return await readEvents(answer, options)
  } catch (error) {
    return cutBy(error, url)
  }
}

async function readEvents(body: AsyncIterable<Buffer>, options: ReceiveOptions): Promise<Ended> {
  let came: Received[] = []
  let opened = false
  const parser = sseParser((event) => {
    const received = receivedBy(event)
    if (received !== undefined) came.push(received)
  })
  let place = ''
  for await (const chunk of body) {
    const problem = parser.push(chunk)
    if (!opened && (came.length > 0 || parser.lastEventId !== '')) {
      opened = true
      await options.take({ kind: 'opened' })
    }
    for (const received of came) {
      await options.take(received)
      if ('cursor' in received) place = received.cursor
    }
    came = []
    // A heartbeat is an id without data: it moves the place, and makes no event.
    if (parser.lastEventId !== place) await options.take({ kind: 'place', cursor: (place = parser.lastEventId) })
    if (problem !== undefined) return { kind: 'refused', why: problem.problem }
  }
  return { kind: 'cut', why: 'the server ended the stream', baseMs: parser.retryMs }
}

/** Fanfare's own events have names of their own; unknown ones are passed over. */
function receivedBy(event: SseReceived): Received | undefined {
  if (event.event === 'fanfare.gap') return gapOf(encodeUtf8(event.data))
  if (event.event.startsWith('fanfare.')) return undefined
  return publicationOf(encodeUtf8(event.data))
}
