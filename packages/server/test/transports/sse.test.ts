import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { openMemoryEngine } from '../../src/engines/memory-engine.ts'
import { poll, publish } from '../support/problems.ts'
import { closeRaw, openRaw } from '../support/raw-client.ts'
import { header, readChunk, readHead, requestBytes, send } from '../support/raw-http.ts'
import { openSse } from '../support/sse-client.ts'
import { startServer } from '../support/start-server.ts'
import type { TestServer } from '../support/start-server.ts'

// Server-Sent Events (CONTRACT section 4).

let server: TestServer
let port: number

beforeAll(async () => {
  server = await startServer({ limits: { heartbeatMs: 300 }, rules: [{ match: 'short', keep: { publications: 2 } }] })
  port = server.port
})
afterAll(async () => await server.close())
afterEach(closeRaw)

/** The first chunk of the body as it came. */
async function firstBlock(path: string, headers: [string, string][] = []): Promise<string> {
  const connection = await openRaw(port)
  connection.send(requestBytes(port, { path, headers: [['Accept', 'text/event-stream'], ...headers] }))
  await readHead(connection)
  return (await readChunk(connection)).toString()
}

describe('an event stream', () => {
  it('says first when to come again and where it begins, before any publication', async () => {
    const { cursor } = await publish(port, 'opening', 'one')
    expect(await firstBlock('/channels/opening')).toBe(`retry: 2000\n\nid: ${cursor}\nevent: fanfare.ready\ndata: {}\n\n`)
  })

  it('begins on a channel that nobody knows, and creates nothing', async () => {
    const stream = await openSse(port, '/channels/nobody')
    const ready = await stream.next()
    expect([ready.event, ready.data]).toEqual(['fanfare.ready', '{}'])
    const later = await publish(port, 'nobody', 'now')
    expect(await stream.next()).toEqual({ event: 'message', data: 'now', id: later.cursor })
  })

  it('tells gaps before the opening cursor, so that a cut between them is told again', async () => {
    const first = await publish(port, 'short', '1')
    for (const data of ['2', '3', '4', '5']) await publish(port, 'short', data)
    const block = await firstBlock('/channels/short', [['Last-Event-ID', first.cursor]])
    expect(block).toMatch(/^retry: 2000\n\nevent: fanfare\.gap\ndata: (\{.*\})\n\nid: \S+\nevent: fanfare\.ready\ndata: \{\}\n\n/)
    const gap = JSON.parse(/event: fanfare\.gap\ndata: (.*)\n/.exec(block)?.[1] ?? '') as { channel: string; reason: string; at: string }
    expect(gap).toMatchObject({ channel: 'short', reason: 'trimmed' })
    expect((await poll(port, `/channels/short?since=${gap.at}`)).gaps).toEqual([])
  })

  it('has the name of the event, and the envelope where it is asked for', async () => {
    const stream = await openSse(port, '/channels/named?envelope=1')
    await stream.next()
    const { cursor } = await publish(port, 'named', '{"a": 1e400}', [
      ['Content-Type', 'application/json'],
      ['Fanfare-Event', 'price'],
      ['Fanfare-Id', 'x1'],
    ])
    const event = await stream.next()
    expect(event).toMatchObject({ event: 'price', id: cursor })
    expect(event.data).toMatch(
      /^\{"channel":"named","offset":1,"cursor":"\S+","time":\d+,"data":\{"a": 1e400\},"event":"price","id":"x1"\}$/,
    )
  })

  it('beats: an id without data moves the place, and dispatches nothing', async () => {
    const connection = await openRaw(port)
    connection.send(requestBytes(port, { path: '/channels/idle', headers: [['Accept', 'text/event-stream']] }))
    await readHead(connection)
    await readChunk(connection)
    const { cursor } = await publish(port, 'busy', 'elsewhere')
    expect((await readChunk(connection)).toString()).toBe(`id: ${cursor}\n\n`)
  })

  it('is not to be kept or changed by what is in between', async () => {
    const connection = await openRaw(port)
    connection.send(requestBytes(port, { path: '/channels/a', headers: [['Accept', 'text/event-stream']] }))
    const head = await readHead(connection)
    expect(header(head, 'cache-control')).toBe('no-store, no-transform')
    expect(header(head, 'x-accel-buffering')).toBe('no')
    expect(header(head, 'content-type')).toBe('text/event-stream')
  })

  it('goes without chunks to HTTP/1.0, to the end of the connection', async () => {
    await publish(port, 'old', 'kept')
    const connection = await openRaw(port)
    connection.send(
      requestBytes(port, { path: '/channels/old?since=earliest', version: 'HTTP/1.0', headers: [['Accept', 'text/event-stream']] }),
    )
    const head = await readHead(connection)
    expect(header(head, 'transfer-encoding')).toBeUndefined()
    const body = await connection.until('the publication', (pending) =>
      pending.includes('data: kept\n\n') ? pending.toString() : undefined,
    )
    expect(body).toMatch(/^retry: 2000\n\nid: \S+\nevent: fanfare.ready\ndata: \{\}\n\nid: \S+\ndata: kept\n\n$/)
  })

  it('waits for its turn behind an answer that is held, and is let go with its connection', async () => {
    const connection = await openRaw(port)
    connection.send(requestBytes(port, { path: '/channels/turn?wait=30' }))
    connection.send(requestBytes(port, { path: '/channels/turn', headers: [['Accept', 'text/event-stream']] }))
    await expect.poll(async () => await receivers('long-poll')).toBe(1)
    expect(await receivers('sse')).toBe(0)
    await publish(port, 'turn', 'x')
    await connection.until('the stream behind the answer', (pending) => (pending.includes('fanfare.ready') ? true : undefined))
    expect(await receivers('sse')).toBe(1)
    connection.close()
    await expect.poll(async () => await receivers('sse')).toBe(0)
  })

  it('ends with its connection when more requests come on it: they would never be answered', async () => {
    const connection = await openRaw(port)
    connection.send(requestBytes(port, { path: '/channels/a', headers: [['Accept', 'text/event-stream']] }))
    await readHead(connection)
    connection.send(requestBytes(port, { path: '/healthz' }))
    expect((await connection.untilEnd()).toString()).not.toMatch(/HTTP/)
  })
})

describe('a stream whose store is slow', () => {
  it('is kept alive by comments, which move nothing', async () => {
    let reads = 0
    const slow = await startServer({
      limits: { heartbeatMs: 200 },
      engine: async (options) => {
        const engine = await openMemoryEngine(options)
        const read = engine.read.bind(engine)
        // The first page comes, the second never does.
        engine.read = async (...asked) => await (reads++ === 0 ? read(...asked) : new Promise<never>(() => undefined))
        return engine
      },
    })
    try {
      for (let i = 0; i < 200; i++) await publish(slow.port, 'slow', String(i))
      const connection = await openRaw(slow.port)
      connection.send(requestBytes(slow.port, { path: '/channels/slow?since=earliest', headers: [['Accept', 'text/event-stream']] }))
      await readHead(connection)
      const seen: string[] = []
      while (seen.filter((chunk) => chunk === ':\n\n').length < 3) seen.push((await readChunk(connection)).toString())
      expect(seen.join('')).toContain('data: 127\n')
      expect(seen.join('')).not.toContain('data: 128\n')
      expect(seen.filter((chunk) => /^id: \S+\n\n$/.test(chunk))).toEqual([])
    } finally {
      closeRaw()
      await slow.close()
    }
  })
})

async function receivers(transport: string): Promise<number> {
  const page = (await send(port, { path: '/metrics' })).body.toString()
  return Number(new RegExp(`fanfare_receivers\\{transport="${transport}"\\} (\\d+)`).exec(page)?.[1])
}
