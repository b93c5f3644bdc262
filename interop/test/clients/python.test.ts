import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { cuttingProxy } from '../../../packages/fanfare/test/support/cutting-proxy.ts'
import { agent, call } from '../../../packages/fanfare/test/support/followers.ts'
import { live } from './support/life.ts'
import type { Life } from './support/life.ts'
import { ended, exampleReader, lastingClient, run } from './support/program.ts'
import { onPath, unless } from './support/programs.ts'
import { lineReader, ndjsonReader } from './support/readers.ts'
import { throughKills } from './support/through-kills.ts'

const receive = fileURLToPath(new URL('python/receive.py', import.meta.url))
const parts = fileURLToPath(new URL('python/parts.py', import.meta.url))
const exampleReceive = fileURLToPath(new URL('../../../examples/python/receive.py', import.meta.url))
const examplePublish = fileURLToPath(new URL('../../../examples/python/publish.py', import.meta.url))

// Python starts slowly on a machine that is busy.
const patienceMs = 60_000

const client = (name: string, transport: string) =>
  lastingClient(
    `Python's ${name}`,
    ({ url, channel, since }) => ['python3', receive, `${url}/channels/${channel}`, since, transport],
    // Of events without an envelope no offset is known.
    transport === 'sse' ? () => lineReader((line) => [{ publication: JSON.parse(line) as { data: unknown } }]) : ndjsonReader,
  )

describe.skipIf(!onPath('python3'))(`Python's standard library${unless('python3')}`, () => {
  throughKills([
    client('http.client with Server-Sent Events', 'sse'),
    client('urllib with NDJSON', 'stream'),
    client("http.client and email's parser with parts", 'multipart'),
    client('http.client with long polls on one connection', 'long-poll'),
    lastingClient('the example of Python', ({ channel }) => ['python3', exampleReceive, channel, 'example.cursor'], exampleReader),
  ])
})

describe.skipIf(!onPath('python3'))(`publishing from Python${unless('python3')}`, () => {
  let life: Life

  beforeEach(async () => {
    life = await live()
  })
  afterEach(async () => {
    agent.destroy()
    await life.close()
  })

  /** All that a channel has, a page after the other. */
  async function kept(channel: string): Promise<readonly unknown[]> {
    const found: unknown[] = []
    for (let since = 'earliest'; ;) {
      const { body } = await call(`${life.url}/channels/${channel}?since=${since}`)
      const answer = JSON.parse(body) as { cursor: string; more: boolean; publications: { offset: number; data: unknown }[] }
      found.push(...answer.publications.map(({ data }) => data))
      if (!answer.more) return found
      since = answer.cursor
    }
  }

  const lines = (count: number): readonly string[] => Array.from({ length: count }, (_, index) => `line ${index + 1} ä€`)

  it('an atomic batch whose answer was cut off is sent again with its key, and is there once', { timeout: patienceMs }, async () => {
    // Nothing of the first answer arrives, some bytes of the second; the third is whole.
    const budgets = [0, 40]
    const proxy = await cuttingProxy(life.url, (nth) => budgets[nth] ?? Infinity)
    try {
      const sent = lines(300)
      const { code, stdout, stderr } = await ended(
        run('python3', [examplePublish, 'batches'], proxy.url, life.directory),
        `${sent.join('\n')}\n`,
      )
      expect({ code, stderr, stdout }).toMatchObject({ code: 0, stdout: 'offsets 1 to 300\n' })
      expect(stderr.match(/^again in/gm)).toHaveLength(2)
      expect(await kept('batches')).toEqual(sent)
    } finally {
      await proxy.close()
    }
  })

  it('a server that is killed while lines are published has each of them once, in order', { timeout: patienceMs }, async () => {
    const sent = lines(8000)
    const child = run('python3', [examplePublish, 'killed'], life.url, life.directory)
    const first = new Promise<void>((resolve) => child.stdout?.once('data', () => resolve()))
    const publishing = ended(child, sent.join('\n'))
    await first
    await life.kill()
    const { code, stderr } = await publishing
    expect({ code, stderr }).toMatchObject({ code: 0 })
    expect(await kept('killed')).toEqual(sent)
  })

  it("email's parser takes a multipart answer to the parts that were published", { timeout: patienceMs }, async () => {
    const payloads: readonly (readonly [string, Buffer])[] = [
      ['application/json', Buffer.from('{"a": [1e400, "</script>"]}')],
      ['text/plain', Buffer.from('two\r\nlines\n\r\n--and a delimiter--\r\n')],
      ['application/octet-stream', Buffer.from(Array.from({ length: 256 }, (_, index) => index))],
      ['image/png', Buffer.alloc(60_000, '\r\n--x')],
      ['text/plain', Buffer.alloc(0)],
    ]
    for (const [type, body] of payloads)
      await call(`${life.url}/channels/parts`, { method: 'POST', headers: { 'Content-Type': type }, body })
    const { code, stdout, stderr } = await ended(
      run('python3', [parts, `${life.url}/channels/parts?since=earliest`, String(payloads.length + 1)], life.url, life.directory),
    )
    expect({ code, stderr }).toMatchObject({ code: 0 })
    const found = stdout
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as { type: string; offset: string | null; cursor: string; payload: string })
    expect(found[0]).toMatchObject({ offset: null, payload: '' })
    expect(found.slice(1).map(({ type, offset, payload }) => [offset, type, payload])).toEqual(
      payloads.map(([type, body], index) => [String(index + 1), type, body.toString('base64')]),
    )
  })
})
