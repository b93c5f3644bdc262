import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { receivers } from '@fanfare/conformance'
import type { ReceiverRow } from '@fanfare/conformance'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { receivingTransports } from '../src/options.ts'
import { command, serving } from './support/command.ts'
import type { Command } from './support/command.ts'

// The main job on real input: `seq 1 100000 | fanfare publish numbers`, and receivers that were there before, come in its middle, and after it: the
// command over each transport that it can, and small clients over those that only pages and programs use.

const count = 100_000
const halfway = 30_000
const ofPages = receivers.filter(({ name }) => ['iframe', 'jsonp', 'jsonp with wait', 'fanfare.v1'].includes(name))

let directory: string

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'fanfare-numbers-'))
  writeFileSync(
    join(directory, 'fanfare.yaml'),
    'transports: [websocket, sse, stream, long-poll, poll, multipart, iframe, jsonp]\n' +
      'channels:\n  - match: "**"\n    keep: { publications: 2000000, age: none, bytes: none }\n',
  )
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

/** Those that run still; after a failure of one there are others. */
const running = new Set<Command>()
afterEach(async () => {
  for (const { child, ended } of running) {
    child.kill('SIGKILL')
    await ended
  }
})

/** Takes the numbers from the first on and fails at once where one is missing, doubled or out of order. */
class Counter {
  readonly name: string
  held = 0
  readonly #steps: { readonly at: number; readonly reached: () => void }[] = []

  constructor(name: string) {
    this.name = name
  }

  take(text: string): void {
    if (text !== String(this.held + 1)) throw new Error(`${this.name} got ${JSON.stringify(text)} after ${this.held}`)
    this.held++
    for (const { at, reached } of this.#steps) if (at === this.held) reached()
  }

  async reaches(at: number): Promise<void> {
    if (this.held < at) await new Promise<void>((reached) => this.#steps.push({ at, reached }))
  }
}

/** `fanfare subscribe numbers`, until it has printed the last. */
async function countByCommand(url: string, transport: string, counter: Counter): Promise<void> {
  const subscribe = command(['subscribe', 'numbers', '--since', 'earliest', '--transport', transport, '--url', url], { directory })
  running.add(subscribe)
  void subscribe.ended.then(() => running.delete(subscribe))
  let taken = 0
  let wrong: unknown
  try {
    await subscribe.until((stdout) => {
      try {
        for (let end = stdout.indexOf('\n', taken); end >= 0; end = stdout.indexOf('\n', taken)) {
          counter.take(stdout.slice(taken, end))
          taken = end + 1
        }
      } catch (error) {
        wrong = error
      }
      return counter.held === count || wrong !== undefined
    })
    if (wrong !== undefined) throw wrong
  } finally {
    subscribe.child.kill('SIGTERM')
    await subscribe.ended
  }
  // Nothing comes after the last, and nothing was to be complained about.
  expect({ code: await subscribe.ended, more: subscribe.stdout().slice(taken), stderr: subscribe.stderr() }).toEqual({
    code: 0,
    more: '',
    stderr: '',
  })
}

async function countByReceiver(url: string, row: ReceiverRow, counter: Counter): Promise<void> {
  const receiving = row.open(url, { channels: ['numbers'], since: 'earliest' })
  try {
    while (counter.held < count) {
      const told = await receiving.next()
      if (told.kind === 'publication') counter.take(new TextDecoder().decode(told.data))
      else if (told.kind !== 'cursor') throw new Error(`${row.name} was told after ${counter.held}: ${JSON.stringify(told)}`)
    }
  } finally {
    receiving.cut()
  }
}

/** One receiver over each transport and protocol. */
function countAll(url: string): { readonly counters: readonly Counter[]; readonly done: Promise<unknown> } {
  const begun = [
    ...receivingTransports.map((transport) => {
      const counter = new Counter(`subscribe --transport ${transport}`)
      return { counter, done: countByCommand(url, transport, counter) }
    }),
    ...ofPages.map((row) => {
      const counter = new Counter(row.name)
      return { counter, done: countByReceiver(url, row, counter) }
    }),
  ]
  const done = Promise.all(begun.map(({ done }) => done))
  // Where an earlier one failed, nobody asks for this one any more.
  done.catch(() => undefined)
  return { counters: begun.map(({ counter }) => counter), done }
}

describe('seq 1 100000 | fanfare publish numbers', () => {
  it('reaches every transport and fanfare.v1, begun before, in the middle and after, in order, once', { timeout: 400_000 }, async () => {
    const server = await serving(directory, '--config', join(directory, 'fanfare.yaml'), '--data', join(directory, 'data'))
    const input = `${Array.from({ length: count }, (_, index) => index + 1).join('\n')}\n`
    try {
      const before = countAll(server.url)
      expect(before.counters.map(({ name }) => name)).toHaveLength(10)
      const publishing = command(['publish', 'numbers', '--url', server.url], { directory, input })
      running.add(publishing)
      // Whoever is first there: then it is still in the middle for everybody.
      await Promise.race([...before.counters.map(async (counter) => await counter.reaches(halfway)), before.done])
      const during = countAll(server.url)
      expect({ code: await publishing.ended, stderr: publishing.stderr() }).toEqual({ code: 0, stderr: '' })
      expect(publishing.stdout().replace(/[,\s]/g, '')).toContain('100000')
      await Promise.all([before.done, during.done])
      await countAll(server.url).done
    } finally {
      server.child.kill('SIGTERM')
      expect(await server.ended).toBe(0)
    }
  })
})
