import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { serving } from '../support/command.ts'
import { agent, call, follows, pollOnce } from '../support/followers.ts'
import type { Gap, Publication } from '../support/followers.ts'

// A data directory that was put back from an older copy, or emptied: cursors of what is lost are told so on every transport (CONTRACT section 4).

type Transport = keyof typeof follows
const transports = Object.keys(follows) as Transport[]

/** A long poll says nothing where there is nothing: it would be heard only when its wait is over. */
const isHeld = (name: Transport, data: readonly string[]): boolean => name === 'long-poll' && data.length === 0

type Server = Awaited<ReturnType<typeof serving>>

let root: string
let runs = 0
const running = new Set<Server>()

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'fanfare-restore-'))
})
afterEach(async () => {
  for (const server of running) await stop(server, 'SIGKILL')
})
afterAll(() => {
  agent.destroy()
  rmSync(root, { recursive: true, force: true })
})

async function start(data: string): Promise<Server> {
  const server = await serving(root, '--data', data)
  running.add(server)
  return server
}

async function stop(server: Server, signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
  running.delete(server)
  server.child.kill(signal)
  await server.ended
}

/** Publishes the payloads in order and gives the cursor of each. */
async function publish(server: Server, channel: string, payloads: readonly string[]): Promise<readonly string[]> {
  const cursors: string[] = []
  for (const body of payloads) {
    const answer = await call(`${server.url}/channels/${channel}`, { method: 'POST', headers: { 'Content-Type': 'text/plain' }, body })
    expect(answer.status).toBe(201)
    cursors.push((JSON.parse(answer.body) as { cursor: string }).cursor)
  }
  return cursors
}

const numbers = (from: number, to: number, word = 'p'): string[] =>
  Array.from({ length: to - from + 1 }, (_, index) => `${word}${from + index}`)

interface Heard {
  readonly gaps: readonly Gap[]
  readonly data: readonly unknown[]
  /** The gap came before anything with a newer cursor. */
  readonly gapFirst: boolean
}

/** What a receiver that continues from the cursor hears, up to `count` publications; where these are none, up to its first gap or cursor. */
async function hear(
  name: Transport,
  url: string,
  channels: readonly string[],
  since: string,
  count: number,
  first: 'gap' | 'cursor' = 'cursor',
): Promise<Heard> {
  const gaps: Gap[] = []
  const data: unknown[] = []
  let newer = false
  let gapFirst = true
  const enough = new AbortController()
  const late = setTimeout(() => enough.abort(), 10_000)
  const told = {
    cursor: (cursor: string) => {
      if (cursor !== since) newer = true
      if (count === 0 && first === 'cursor') enough.abort()
    },
    gap: (gap: Gap) => {
      gaps.push(gap)
      if (newer) gapFirst = false
      if (count === 0) enough.abort()
    },
    publication: (publication: Publication) => {
      newer = true
      data.push(publication.data)
      if (data.length >= count) enough.abort()
    },
  }
  await follows[name](url, channels, since, told, enough.signal).catch((error: unknown) => {
    if (!enough.signal.aborted) throw error
  })
  clearTimeout(late)
  return { gaps, data, gapFirst }
}

/** How a plain WebSocket, which carries no cursor, is closed. */
async function plainClose(
  url: string,
  channel: string,
  since: string,
): Promise<{ readonly code: number; readonly reason: string; readonly data: readonly string[] }> {
  const data: string[] = []
  const ws = new WebSocket(`${url.replace(/^http/, 'ws')}/channels/${channel}?since=${since}`)
  ws.on('message', (message) => data.push((message as Buffer).toString()))
  return await new Promise((resolve, reject) => {
    ws.on('error', reject)
    ws.on('close', (code, reason) => resolve({ code, reason: reason.toString(), data }))
  })
}

/** The cursor is told `reason` on each transport, and the channel goes on with `data`. */
async function expectGap(server: Server, channel: string, since: string, reason: string, data: readonly string[]): Promise<void> {
  for (const name of transports) {
    const heard = await hear(name, server.url, [channel], since, data.length, 'gap')
    expect({ name, ...heard }).toMatchObject({ name, gaps: [{ channel, reason }], data, gapFirst: true })
    expect(heard.gaps[0]?.missed === null || typeof heard.gaps[0]?.missed === 'number').toBe(true)
    // From the place that was named the channel goes on without another word.
    if (isHeld(name, data)) continue
    const again = await hear(name, server.url, [channel], heard.gaps[0]?.at ?? '', data.length)
    expect({ name, ...again }).toMatchObject({ name, gaps: [], data })
  }
  expect(await plainClose(server.url, channel, since)).toMatchObject({
    code: 4410,
    reason: expect.stringContaining(reason) as unknown,
    data: [],
  })
  const stopped = await call(`${server.url}/channels/${channel}?since=${since}&onGap=stop`)
  expect(stopped.status).toBe(410)
  expect(JSON.parse(stopped.body)).toMatchObject({ code: 'gap', gap: { channel, reason } })
}

async function expectContinues(server: Server, channel: string, since: string, data: readonly string[]): Promise<void> {
  for (const name of transports) {
    if (isHeld(name, data)) continue
    expect({ name, ...(await hear(name, server.url, [channel], since, data.length)) }).toMatchObject({ name, gaps: [], data })
  }
}

type How = 'while it runs' | 'after a clean end' | 'after a kill' | 'with sealed segments'

/** So much that journals are full and sealed. */
async function fill(server: Server): Promise<void> {
  const items = JSON.stringify(Array.from({ length: 60 }, () => ({ channel: 'filler', data: 'x'.repeat(60_000) })))
  for (let round = 0; round < 2; round++) {
    const answer = await call(`${server.url}/publish`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: items })
    expect(answer.status).toBe(200)
  }
}

/** A directory with 10 publications, and a copy of it; then 10 more, and the cursors of all. */
async function grown(how: How): Promise<{ data: string; copy: string; cursors: readonly string[] }> {
  const data = join(root, `data-${++runs}`)
  const copy = join(root, `copy-${runs}`)
  let server = await start(data)
  const first = await publish(server, 'news', numbers(1, 10))
  if (how === 'with sealed segments') await fill(server)
  if (how !== 'while it runs') await stop(server, how === 'after a kill' ? 'SIGKILL' : 'SIGTERM')
  cpSync(data, copy, { recursive: true, filter: (path) => !path.endsWith('.sock') })
  if (how !== 'while it runs') server = await start(data)
  const second = await publish(server, 'news', numbers(11, 20))
  if (how === 'with sealed segments') await fill(server)
  await stop(server)
  return { data, copy, cursors: [...first, ...second] }
}

function putBack(data: string, copy: string): void {
  rmSync(data, { recursive: true })
  cpSync(copy, data, { recursive: true })
}

describe('a directory that was put back from an older copy', { timeout: 120_000 }, () => {
  it.each(['while it runs', 'after a clean end', 'after a kill', 'with sealed segments'] as const)(
    'made %s, says diverged to cursors of the lost end, and to no other',
    async (how) => {
      const { data, copy, cursors } = await grown(how)
      putBack(data, copy)
      const server = await start(data)
      await publish(server, 'news', numbers(11, 13, 'new'))
      const fresh = numbers(11, 13, 'new')
      // The cursors of the 15th and of the 20th are of the lost end. Where they come from a start that the copy knows, what is common ends with the 10th; of
      // a start that it doesn't know nothing is provable (that one may have begun anywhere), and the channel goes on from the oldest kept.
      const rest = how === 'while it runs' ? fresh : [...numbers(1, 10), ...fresh]
      await expectGap(server, 'news', cursors[14] ?? '', 'diverged', rest)
      await expectGap(server, 'news', cursors[19] ?? '', 'diverged', rest)
      await expectContinues(server, 'news', cursors[9] ?? '', fresh)
      await expectContinues(server, 'news', cursors[4] ?? '', [...numbers(6, 10), ...fresh])
      await stop(server)
    },
  )

  it('says so before anybody has published again, and after a second start too', async () => {
    const { data, copy, cursors } = await grown('after a clean end')
    putBack(data, copy)
    for (let round = 0; round < 2; round++) {
      const server = await start(data)
      await expectGap(server, 'news', cursors[10] ?? '', 'diverged', numbers(1, 10))
      await expectContinues(server, 'news', cursors[9] ?? '', [])
      await stop(server)
    }
  })

  it('tells each channel of a receiver once', async () => {
    const { data, copy, cursors } = await grown('after a clean end')
    putBack(data, copy)
    const server = await start(data)
    await publish(server, 'other', ['o1'])
    await publish(server, 'news', ['n1'])
    for (const name of transports) {
      const { gaps, data: heard } = await hear(name, server.url, ['news', 'other'], cursors[14] ?? '', 12)
      expect({ name, gaps: gaps.map(({ channel, reason }) => `${channel} ${reason}`).sort() }).toEqual({
        name,
        gaps: ['news diverged', 'other diverged'],
      })
      // On fanfare.v1 each channel moves for itself; plain events of several channels are envelopes.
      expect(
        heard.map((entry) => (typeof entry === 'string' && entry.startsWith('{') ? (JSON.parse(entry) as Publication).data : entry)).sort(),
      ).toEqual(['n1', 'o1', ...numbers(1, 10)].sort())
    }
    await stop(server)
  })

  it('gives offsets that were lost again, but never a cursor', async () => {
    const { data, copy, cursors } = await grown('after a clean end')
    putBack(data, copy)
    const server = await start(data)
    const again = await publish(server, 'news', numbers(11, 20, 'new'))
    expect(again.filter((cursor) => cursors.includes(cursor))).toEqual([])
    expect((await pollOnce(server.url, ['news'], 'earliest')).publications.map(({ offset }) => offset)).toEqual(
      Array.from({ length: 20 }, (_, index) => index + 1),
    )
    await stop(server)
  })
})

describe('a directory that was emptied', { timeout: 120_000 }, () => {
  it('says new-log to every cursor of before, and goes on from the oldest kept', async () => {
    const { data, cursors } = await grown('after a clean end')
    rmSync(data, { recursive: true })
    const server = await start(data)
    await expectGap(server, 'news', cursors[0] ?? '', 'new-log', [])
    await publish(server, 'news', ['a', 'b'])
    for (const cursor of [cursors[0], cursors[9], cursors[19]]) await expectGap(server, 'news', cursor ?? '', 'new-log', ['a', 'b'])
    await stop(server)
  })
})

describe('a directory that is started again and again', { timeout: 120_000 }, () => {
  it('continues all cursors of all starts, after clean ends and kills', async () => {
    const data = join(root, `data-${++runs}`)
    const cursors: string[] = []
    for (let round = 0; round < 4; round++) {
      const server = await start(data)
      cursors.push(...(await publish(server, 'news', numbers(round * 3 + 1, round * 3 + 3))))
      await stop(server, round % 2 === 0 ? 'SIGKILL' : 'SIGTERM')
    }
    const server = await start(data)
    for (const [index, cursor] of cursors.entries()) {
      const { publications, gaps } = await pollOnce(server.url, ['news'], cursor)
      expect({ gaps, data: publications.map(({ data }) => data) }).toEqual({ gaps: [], data: numbers(index + 2, 12) })
    }
    await stop(server)
  })
})
