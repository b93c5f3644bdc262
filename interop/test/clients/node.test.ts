import { fileURLToPath } from 'node:url'
import { EventSource } from 'eventsource'
import { describe, expect, it } from 'vitest'
import { agent, call } from '../../../packages/fanfare/test/support/followers.ts'
import { live } from './support/life.ts'
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

describe('eventsource', () => {
  it('goes on by itself where the server was away for longer than it waits', { timeout: 60_000 }, async () => {
    const life = await live()
    const address = `${life.url}/channels/away`
    const source = new EventSource(address)
    const heard: string[] = []
    let errors = 0
    source.addEventListener('message', ({ data }) => heard.push(data as string))
    source.addEventListener('error', () => errors++)
    try {
      await new Promise((resolve) => source.addEventListener('fanfare.ready', resolve, { once: true }))
      await call(address, { method: 'POST', body: 'before' })
      await life.die()
      // The first is the connection that was lost, the second one that was refused.
      await expect.poll(() => errors, { timeout: 30_000 }).toBeGreaterThanOrEqual(2)
      await life.rise()
      await call(address, { method: 'POST', body: 'after' })
      await expect.poll(() => heard, { timeout: 30_000 }).toEqual(['before', 'after'])
    } finally {
      source.close()
      agent.destroy()
      await life.close()
    }
  })
})
