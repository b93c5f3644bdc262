import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { command, serving } from '../support/command.ts'
import { agent, call, follows, pollOnce } from '../support/followers.ts'
import type { Follow, Gap, Publication } from '../support/followers.ts'

// kill -9 while 32 connections publish and receivers follow (CONTRACT section 5). `FANFARE_KILLS=200` is the long run.

const kills = Number(process.env['FANFARE_KILLS'] ?? 15)
const publishers = 32
const channels = ['kill/a', 'kill/b', 'kill/c', 'kill/d']
const mostCursorsTried = 400

let directory: string
let data: string
let config: string

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'fanfare-kill-'))
  data = join(directory, 'data')
  config = join(directory, 'fanfare.yaml')
  writeFileSync(config, 'channels:\n  - match: "**"\n    keep: { publications: none, age: none, bytes: none }\n')
})
afterAll(() => {
  agent.destroy()
  rmSync(directory, { recursive: true, force: true })
})

/** The server that runs now, or the next one. */
class Life {
  #server: Awaited<ReturnType<typeof serving>> | undefined
  #url: Promise<string> | undefined
  starts = 0

  start(): void {
    this.#url = serving(directory, '--data', data, '--config', config).then((server) => {
      this.#server = server
      this.starts++
      return server.url
    })
  }

  async url(): Promise<string> {
    if (this.#url === undefined) throw new Error('not started')
    return await this.#url
  }

  /** kill -9, and the next start at once. */
  async kill(): Promise<void> {
    await this.url()
    const server = this.#server
    server?.child.kill('SIGKILL')
    await server?.ended
    this.start()
  }

  async end(): Promise<number | string | undefined> {
    await this.#url?.catch(() => undefined)
    this.#server?.child.kill('SIGTERM')
    return await this.#server?.ended
  }
}

/** All that anybody was told; whatever contradicts it is found at once. */
class Book {
  readonly #payloads = new Map<string, string>()
  readonly #cursors = new Map<string, { channel: string; offset: number }>()
  readonly acknowledged = new Map<string, unknown>()
  readonly faults: string[] = []

  note({ channel, offset, cursor, data }: Publication): void {
    const place = `${channel}#${offset}`
    const payload = JSON.stringify(data)
    const known = this.#payloads.get(place) ?? payload
    if (known !== payload) this.faults.push(`${place} is ${known} and ${payload}`)
    this.#payloads.set(place, payload)
    const other = this.#cursors.get(cursor)
    if (other !== undefined && (other.channel !== channel || other.offset !== offset))
      this.faults.push(`the cursor of ${place} is that of ${other.channel}#${other.offset} too`)
    this.#cursors.set(cursor, { channel, offset })
  }

  get cursors(): readonly (readonly [string, { readonly channel: string; readonly offset: number }])[] {
    return [...this.#cursors]
  }
}

interface Published {
  readonly channel: string
  readonly offset: number
  readonly cursor: string
}

/** Ends the publishers: no new publishes, and (for a test that failed) no more tries either. */
interface Ends {
  readonly publishing: AbortSignal
  readonly trying: AbortSignal
}

/** Publishes one payload after the other; with keys each is tried again until it is answered. Gives those that were. */
async function publisher(life: Life, book: Book, number: number, ends: Ends, answered: () => void): Promise<readonly string[]> {
  const keyed = number % 2 === 0
  const channel = channels[number % channels.length] ?? ''
  const finished: string[] = []
  for (let count = 1; !ends.publishing.aborted; count++) {
    const body = `${number}:${count}`
    const headers: Record<string, string> = keyed ? { 'Idempotency-Key': body } : {}
    const retried = keyed ? ends.trying : AbortSignal.abort()
    let published = await tryPublish(life, channel, headers, body)
    while (published === undefined && !retried.aborted) published = await tryPublish(life, channel, headers, body)
    if (published === undefined) continue
    book.note({ ...published, data: body })
    book.acknowledged.set(`${channel}#${published.offset}`, body)
    if (keyed) finished.push(body)
    answered()
  }
  return finished
}

/** Undefined where the connection broke: then nobody knows whether it was stored. */
async function tryPublish(life: Life, channel: string, headers: Record<string, string>, body: string): Promise<Published | undefined> {
  const url = await life.url()
  try {
    const answer = await call(`${url}/channels/${channel}`, { method: 'POST', headers, body })
    if (answer.status !== 201) throw new Error(`a publish got ${answer.status}: ${answer.body}`)
    return JSON.parse(answer.body) as Published
  } catch (error) {
    if (isCut(error)) return undefined
    throw error
  }
}

/** The connection broke, as it does when the server is killed. */
function isCut(error: unknown): boolean {
  return error instanceof Error && ('code' in error || error.name === 'AbortError' || /aborted|socket hang up/.test(error.message))
}

/** Follows through all kills; each publication comes once, in order, without a gap: what was received had been committed. */
class Follower {
  readonly name: string
  readonly last = new Map<string, number>()
  readonly gaps: Gap[] = []
  readonly #book: Book
  readonly #channels: readonly string[]
  readonly #follow: Follow
  #cursor = 'earliest'

  constructor(name: keyof typeof follows, channels: readonly string[], book: Book) {
    this.name = `${name} of ${channels.join(', ')}`
    this.#follow = follows[name]
    this.#channels = channels
    this.#book = book
  }

  async run(life: Life, stop: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      try {
        await this.#follow(await life.url(), this.#channels, this.#cursor, this, stop)
      } catch (error) {
        if (!isCut(error)) throw error
      }
    }
  }

  cursor(cursor: string): void {
    this.#cursor = cursor
  }

  gap(gap: Gap): void {
    this.gaps.push(gap)
  }

  publication(publication: Publication): void {
    const { channel, offset, cursor } = publication
    const last = this.last.get(channel) ?? 0
    if (offset !== last + 1) this.#book.faults.push(`${this.name}: ${channel}#${offset} came after ${last}`)
    this.last.set(channel, offset)
    this.#cursor = cursor
    this.#book.note(publication)
  }
}

/** All of a channel, by polls. */
async function readAll(url: string, channel: string): Promise<readonly Publication[]> {
  const all: Publication[] = []
  let from = 'earliest'
  for (;;) {
    const answer = await pollOnce(url, [channel], from)
    expect(answer.gaps).toEqual([])
    all.push(...answer.publications)
    from = answer.cursor
    if (!answer.more) return all
  }
}

async function killAgainAndAgain(life: Life, answers: () => Promise<void>, stop: AbortSignal): Promise<void> {
  for (let kill = 0; kill < kills && !stop.aborted; kill++) {
    await life.url()
    // Some publishes are answered in each life, and the end comes at any moment after.
    await answers()
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 300))
    if (!stop.aborted) await life.kill()
  }
  await life.url()
  await answers()
}

/** A wait for the next answered publishes; it ends with the test as well. */
function answerCounter(stop: AbortSignal): { readonly answered: () => void; readonly next: (count: number) => Promise<void> } {
  let waiting: { count: number; done: () => void } | undefined
  stop.addEventListener('abort', () => waiting?.done())
  return {
    answered: () => {
      if (waiting !== undefined && --waiting.count <= 0) waiting.done()
    },
    next: async (count) => {
      if (!stop.aborted) await new Promise<void>((done) => (waiting = { count, done }))
      waiting = undefined
    },
  }
}

describe('kill -9 during publishing', () => {
  it(
    `${kills} times: what was answered is there, no offset has two payloads, every cursor goes on`,
    { timeout: 60_000 + kills * 10_000 },
    async () => {
      const life = new Life()
      const book = new Book()
      const publishing = new AbortController()
      const following = new AbortController()
      const counter = answerCounter(following.signal)
      const ends: Ends = { publishing: publishing.signal, trying: following.signal }
      life.start()
      const followers = [
        new Follower('long-poll', ['kill/a'], book),
        new Follower('sse with envelopes', ['kill/b'], book),
        new Follower('websocket', ['kill/c'], book),
        new Follower('poll', ['kill/d'], book),
        new Follower('fanfare.v1', ['kill/a'], book),
        new Follower('sse with envelopes', channels, book),
        new Follower('websocket', channels, book),
      ]
      const runs = followers.map(async (follower) => await follower.run(life, following.signal))
      const published = Array.from({ length: publishers }, async (_, number) => await publisher(life, book, number, ends, counter.answered))
      const work = Promise.all([...runs, ...published])
      const killing = killAgainAndAgain(life, async () => await counter.next(100), following.signal)
      try {
        await Promise.race([killing, work])
        publishing.abort()
        const keyed = (await Promise.all(published)).flat()
        const url = await life.url()
        const logs = new Map<string, readonly Publication[]>()
        for (const channel of channels) logs.set(channel, await readAll(url, channel))
        checkLogs(logs, book, keyed)
        await checkCursors(url, logs, book)
        await expect
          .poll(() => followers.map(({ last }) => [...last].every(([channel, offset]) => offset === logs.get(channel)?.length)), {
            timeout: 20_000,
          })
          .toEqual(followers.map(() => true))
        expect(followers.flatMap(({ gaps }) => gaps)).toEqual([])
        expect(book.faults).toEqual([])
        expect(life.starts).toBe(kills + 1)
      } finally {
        publishing.abort()
        following.abort()
        await Promise.allSettled([killing])
        await life.end()
        await Promise.allSettled([work, ...runs, ...published])
      }
    },
  )
})

function checkLogs(logs: ReadonlyMap<string, readonly Publication[]>, book: Book, keyed: readonly string[]): void {
  const payloads = new Map<unknown, number>()
  for (const [channel, log] of logs) {
    expect(log.map(({ offset }) => offset)).toEqual(log.map((_, index) => index + 1))
    for (const publication of log) {
      book.note(publication)
      payloads.set(publication.data, (payloads.get(publication.data) ?? 0) + 1)
      expect(publication.channel).toBe(channel)
    }
  }
  const missing = [...book.acknowledged].filter(([place, body]) => {
    const [channel = '', offset] = place.split('#')
    return logs.get(channel)?.[Number(offset) - 1]?.data !== body
  })
  expect(missing).toEqual([])
  expect(book.acknowledged.size).toBeGreaterThan(kills * 100)
  expect([...payloads].filter(([, count]) => count > 1)).toEqual([])
  expect(keyed.filter((body) => payloads.get(body) !== 1)).toEqual([])
}

/** Every cursor that anybody was ever given continues from its place. */
async function checkCursors(url: string, logs: ReadonlyMap<string, readonly Publication[]>, book: Book): Promise<void> {
  const { cursors } = book
  const step = Math.max(1, Math.floor(cursors.length / mostCursorsTried))
  for (let at = 0; at < cursors.length; at += step) {
    const [cursor, place] = cursors[at] ?? ['', { channel: '', offset: 0 }]
    const { publications, gaps } = await pollOnce(url, [place.channel], cursor, '&limit=1')
    const next = logs.get(place.channel)?.[place.offset]
    expect({ gaps, next: publications[0]?.offset }).toEqual({ gaps: [], next: next?.offset })
  }
}

async function expectRefused(owner: number | undefined, shared: string): Promise<void> {
  const second = command(['serve', '--listen', '127.0.0.1:0', '--data', shared], { directory })
  const listens = second
    .until((stdout) => stdout.includes('listens on'))
    .then(
      () => 'it listens',
      () => second.ended,
    )
  try {
    expect(await Promise.race([second.ended, listens])).toBe(1)
    expect(second.stderr()).toContain(String(owner))
    expect(second.stderr()).toContain(shared)
    expect(second.stderr()).not.toMatch(/\n\s+at /)
  } finally {
    second.child.kill('SIGKILL')
    await second.ended
  }
}

describe('two servers on one directory', () => {
  it('the second refuses, names the owner, and leaves the first as it was', { timeout: 60_000 }, async () => {
    const shared = join(directory, 'shared')
    const first = await serving(directory, '--data', shared)
    try {
      for (let attempt = 0; attempt < 2; attempt++) await expectRefused(first.child.pid, shared)
      expect((await call(`${first.url}/channels/a`, { method: 'POST', body: 'x' })).status).toBe(201)
    } finally {
      first.child.kill('SIGKILL')
      await first.ended
    }
    const heir = await serving(directory, '--data', shared)
    expect((await pollOnce(heir.url, ['a'], 'earliest')).publications).toMatchObject([{ offset: 1, data: 'x' }])
    heir.child.kill('SIGTERM')
    expect(await heir.ended).toBe(0)
  })

  it('of four that start at once one listens and the others refuse, again after it was killed', { timeout: 60_000 }, async () => {
    const shared = join(directory, 'raced')
    for (let round = 0; round < 3; round++) {
      const all = Array.from({ length: 4 }, () => command(['serve', '--listen', '127.0.0.1:0', '--data', shared], { directory }))
      try {
        const ends = await Promise.all(
          all.map(async (one) => {
            const listens = one
              .until((stdout) => stdout.includes('listens on'))
              .then(
                () => 'listens',
                () => one.ended,
              )
            return await Promise.race([one.ended, listens])
          }),
        )
        expect(ends.sort()).toEqual([1, 1, 1, 'listens'])
      } finally {
        for (const one of all) one.child.kill('SIGKILL')
        await Promise.all(all.map(async (one) => await one.ended))
      }
    }
  })
})
