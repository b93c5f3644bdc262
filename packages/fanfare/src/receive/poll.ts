import { setTimeout as sleep } from 'node:timers/promises'
import { isProblem, limits, scanArray, scanObject } from '@fanfare/wire'
import { bodyOf, refusalOf } from '../http-client.ts'
import { cutBy, endedBy, gapOf, publicationOf, receivePath, text } from './parts.ts'
import type { Ended, Receive, ReceiveOptions, Received } from './receive.ts'

// Between two answers without news; a held one has taken longer, but for those of a server that goes down.
const pollEveryMs = 1000
const waitSeconds = 25
const fewest = 10
const answerWithinMs = 15_000

/** Asks, and asks again a second after an answer without news. */
export const receivePoll: Receive = (options) => receiveByAsking(options, { transport: 'poll' }, answerWithinMs)

/** Asks, and the server answers when there is something. */
export const receiveLongPoll: Receive = (options) =>
  receiveByAsking(options, { transport: 'long-poll', wait: String(waitSeconds) }, waitSeconds * 1000 + answerWithinMs)

async function receiveByAsking(options: ReceiveOptions, parameters: Record<string, string>, silenceMs: number): Promise<Ended> {
  const { url, client, channels, signal, take } = options
  let { begin } = options
  // An answer is all or nothing: where a network cuts long ones, shorter ones get through.
  let limit = Math.max(fewest, limits.pollPublications >> Math.min(options.failures, 16))
  let opened = false
  const held = parameters['wait'] !== undefined
  try {
    for (;;) {
      const asked = performance.now()
      const answer = await client.request({
        // The first answer comes at once: it gives a place to one who has none, and says that there is a server.
        path: receivePath(channels, { ...parameters, ...(opened || !held ? {} : { wait: '0' }), ...begin, limit: String(limit) }),
        silenceMs,
        signal,
      })
      const body = await bodyOf(answer)
      if (answer.statusCode !== 200) return endedBy(refusalOf(answer.statusCode ?? 0, answer.headers, body))
      const read = readAnswer(body)
      if (read === undefined) return { kind: 'refused', why: `what listens at ${url.origin} answers, but not as Fanfare does` }
      const first = !opened
      if (first) await take({ kind: 'opened' })
      opened = true
      for (const received of read.received) await take(received)
      await take({ kind: 'place', cursor: read.cursor })
      begin = { since: read.cursor }
      limit = Math.min(limits.pollPublications, limit * 2)
      const restMs = asked + pollEveryMs - performance.now()
      if (!read.more && read.received.length === 0 && restMs > 0 && !(first && held)) await sleep(restMs, undefined, { signal })
    }
  } catch (error) {
    return cutBy(error, url)
  }
}

interface Answer {
  readonly cursor: string
  /** Gaps before publications, as a stream has them. */
  readonly received: readonly Received[]
  readonly more: boolean
}

function readAnswer(body: Uint8Array): Answer | undefined {
  const members = scanObject(body)
  if (isProblem(members)) return undefined
  const cursor = text(members, 'cursor')
  const gaps = readList(members.get('gaps'), gapOf)
  const publications = readList(members.get('publications'), publicationOf)
  if (cursor === undefined || gaps === undefined || publications === undefined) return undefined
  return { cursor, received: [...gaps, ...publications], more: members.get('more')?.[0] === 't'.charCodeAt(0) }
}

function readList(slice: Uint8Array | undefined, read: (item: Uint8Array) => Received | undefined): Received[] | undefined {
  const items = slice === undefined ? undefined : scanArray(slice)
  if (items === undefined || isProblem(items)) return undefined
  const received = items.map(read)
  return received.every((item) => item !== undefined) ? received : undefined
}
