import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Client } from './support/client.ts'
import { live } from './support/life.ts'
import type { Life } from './support/life.ts'
import { envelopeSocket, eventSource, fanfareV1, fetchLongPoll, fetchParts } from './support/node-clients.ts'
import { lastingClient, repeatedClient } from './support/program.ts'
import { onPath, unless } from './support/programs.ts'
import { Publisher } from './support/publisher.ts'
import { ndjsonReader, sseReader } from './support/readers.ts'
import { asTaken, Taking } from './support/taking.ts'
import type { Taken } from './support/taking.ts'

const channel = 'clients/relay'
const receive = fileURLToPath(new URL('python/receive.py', import.meta.url))
/** Each has the baton for so many publications at least, and a cursor is all that it hands on. */
const each = 100
/** More are published meanwhile, so that some hand on behind the head, and all receive live and from the log. */
const publishedEach = 140

const curl = repeatedClient(
  'curl -N',
  ({ url }, since) => ['curl', '-sN', '-H', 'Accept: text/event-stream', `${url}/channels/${channel}?since=${since}`],
  sseReader,
)
const python = lastingClient(
  'urllib',
  ({ url, since }) => ['python3', receive, `${url}/channels/${channel}`, since, 'stream'],
  ndjsonReader,
)
const runners: readonly Client[] = [
  ...(onPath('curl') ? [curl] : []),
  envelopeSocket,
  ...(onPath('python3') ? [python] : []),
  eventSource(true),
  fanfareV1,
  fetchParts,
  fetchLongPoll,
]

describe('a cursor', () => {
  let life: Life
  let publisher: Publisher

  beforeAll(async () => {
    life = await live()
    publisher = new Publisher(life.url, channel)
  })
  afterAll(async () => {
    publisher.close()
    await life.close()
  })

  it(`goes from client to client (${runners.map(({ name }) => name).join(', ')})${unless('curl')}${unless('python3')}: nothing is missing, nothing comes twice`, async () => {
    const all: Taken[] = []
    let since = 'earliest'
    for (const [index, runner] of runners.entries()) {
      const taking = new Taking()
      const place = {
        url: life.url,
        channel,
        directory: life.directory,
        since,
        answerTo: async (number: number) => await publisher.answerTo(number),
      }
      const stop = runner.start(place, taking)
      const publishing = publisher.publishTo((index + 1) * publishedEach)
      const last = index === runners.length - 1
      try {
        await taking.until(last ? (index + 1) * publishedEach - all.length : each)
      } finally {
        await stop()
      }
      await publishing
      expect(taking.troubles).toEqual([])
      all.push(...taking.all)
      since = taking.cursor ?? since
      // One of the batons changes hands over a server that was killed.
      if (index === 2) await life.kill()
    }
    expect(all.map(({ data }) => data)).toEqual(asTaken(publisher.published, []).map(({ data }) => data))
  }, 240_000)
})
