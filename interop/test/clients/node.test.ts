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
import { throughKills } from './support/through-kills.ts'

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
  ])
})
