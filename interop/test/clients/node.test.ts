import { fileURLToPath } from 'node:url'
import { describe } from 'vitest'
import {
  envelopeSocket,
  eventSource,
  fanfareV1,
  fetchEvents,
  fetchLongPoll,
  fetchParts,
  fetchPoll,
  fetchStream,
  plainSocket,
} from './support/node-clients.ts'
import { exampleReader, lastingClient } from './support/program.ts'
import { throughKills } from './support/through-kills.ts'

const example = fileURLToPath(new URL('../../../examples/node/receive.mjs', import.meta.url))

describe('in Node', () => {
  throughKills([
    eventSource(false),
    eventSource(true),
    plainSocket,
    envelopeSocket,
    fanfareV1,
    fetchStream,
    fetchEvents,
    fetchParts,
    fetchLongPoll,
    fetchPoll,
    lastingClient('the example of Node', ({ channel }) => [process.execPath, example, channel], exampleReader),
  ])
})
