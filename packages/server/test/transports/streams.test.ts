import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { openMemoryEngine } from '../../src/engines/memory-engine.ts'
import { expectProblem, publish } from '../support/problems.ts'
import { closeRaw, openRaw } from '../support/raw-client.ts'
import type { RawConnection } from '../support/raw-client.ts'
import { header, readChunk, readHead, requestBytes, send, sendForHead } from '../support/raw-http.ts'
import type { Head, RawRequest } from '../support/raw-http.ts'
import { startServer } from '../support/start-server.ts'
import type { TestServer } from '../support/start-server.ts'

// Answers without end that are no event streams: lines of JSON, and parts (CONTRACT section 4).

let server: TestServer
let port: number

const options = { limits: { heartbeatMs: 300 }, rules: [{ match: 'short', keep: { publications: 2 } }] }

beforeAll(async () => {
  server = await startServer(options)
  port = server.port
})
afterAll(async () => await server.close())
afterEach(closeRaw)

interface Opened {
  readonly head: Head
  readonly connection: RawConnection
  /** The next chunk of the body. */
  next(): Promise<string>
}

async function open(request: RawRequest, at = port): Promise<Opened> {
  const connection = await openRaw(at)
  connection.send(requestBytes(at, request))
  const head = await readHead(connection)
  return { head, connection, next: async () => (await readChunk(connection)).toString() }
}

const accepted = (type: string, path: string): RawRequest => ({ path, headers: [['Accept', type]] })
const boundary = 'fanfare-part-5Yw0bXq8'

describe('a stream of lines', () => {
  it('begins with the cursor, sends publications as JSON, and beats with the place', async () => {
    const { cursor } = await publish(port, 'lines', 'one')
    const stream = await open(accepted('application/x-ndjson', '/channels/lines'))
    expect(header(stream.head, 'content-type')).toBe('application/x-ndjson')
    expect(header(stream.head, 'cache-control')).toBe('no-store, no-transform')
    expect(await stream.next()).toBe(`{"cursor":"${cursor}"}\n`)
    const two = await publish(port, 'lines', '{"a": 1e400}', [['Content-Type', 'application/json']])
    expect(await stream.next()).toBe(`{"channel":"lines","offset":2,"cursor":"${two.cursor}","time":${two.time},"data":{"a": 1e400}}\n`)
    expect(await stream.next()).toBe(`{"cursor":"${two.cursor}"}\n`)
  })

  it('tells gaps before the cursor, and ends with the one at which the receiver wants to stop', async () => {
    const first = await publish(port, 'short', '1')
    for (const data of ['2', '3', '4', '5']) await publish(port, 'short', data)
    const stream = await open({ path: `/channels/short?transport=stream&since=${first.cursor}` })
    expect(await stream.next()).toMatch(/^\{"gap":\{"channel":"short","reason":"trimmed",.*\}\}\n\{"cursor":"[^"]+"\}\n$/)
    const refused = await sendForHead(port, { path: `/channels/short?transport=stream&onGap=stop&since=${first.cursor}` })
    expect(expectProblem(refused, 410, 'gap')['gap']).toMatchObject({ reason: 'trimmed' })
    const live = await open({ path: '/channels/stops?transport=stream&onGap=stop' })
    await live.next()
    await publish(port, 'stops', 'x')
    await live.next()
    await send(port, { method: 'DELETE', path: '/channels/stops' })
    expect(await live.next()).toMatch(/^\{"gap":\{"channel":"stops","reason":"deleted",.*\}\}\n$/)
    expect(await live.next()).toBe('')
    await live.connection.untilEnd()
  })

  it('goes without chunks to HTTP/1.0', async () => {
    await publish(port, 'old', 'x')
    const connection = await openRaw(port)
    connection.send(requestBytes(port, { path: '/channels/old?transport=stream&since=earliest', version: 'HTTP/1.0' }))
    const head = await readHead(connection)
    expect(header(head, 'transfer-encoding')).toBeUndefined()
    const text = await connection.until('two lines', (pending) =>
      pending.toString().split('\n').length > 2 ? pending.toString() : undefined,
    )
    expect(text).toMatch(/^\{"cursor":"[^"]+"\}\n\{"channel":"old",/)
  })
})

describe('a stream of parts', () => {
  it('begins with an empty part that carries the cursor; each part has its length, and its delimiter comes with it', async () => {
    const { cursor } = await publish(port, 'parts/%C3%A9', 'one')
    const stream = await open(accepted('multipart/mixed', '/channels/parts/%C3%A9'))
    expect(header(stream.head, 'content-type')).toBe(`multipart/mixed; boundary="${boundary}"`)
    expect(await stream.next()).toBe(`--${boundary}\r\nFanfare-Cursor: ${cursor}\r\nContent-Length: 0\r\n\r\n\r\n--${boundary}\r\n`)
    const two = await publish(port, 'parts/%C3%A9', '☃', [['Fanfare-Event', 'pr%C3%AFce']])
    expect(await stream.next()).toBe(
      `Content-Type: text/plain; charset=utf-8\r\nFanfare-Cursor: ${two.cursor}\r\nFanfare-Channel: parts/%C3%A9\r\nFanfare-Offset: 2\r\n` +
        `Fanfare-Event: pr%C3%AFce\r\nContent-Length: 3\r\n\r\n☃\r\n--${boundary}\r\n`,
    )
    expect(await stream.next()).toBe(`Fanfare-Cursor: ${two.cursor}\r\nContent-Length: 0\r\n\r\n\r\n--${boundary}\r\n`)
  })

  it('is envelopes where there are several channels', async () => {
    const stream = await open({ path: '/subscribe?channel=several/a&channel=several/b&transport=multipart' })
    await stream.next()
    const { cursor, time } = await publish(port, 'several/b', 'x')
    const json = `{"channel":"several/b","offset":1,"cursor":"${cursor}","time":${time},"data":"x","type":"text/plain"}`
    expect(await stream.next()).toBe(
      `Content-Type: application/json\r\nFanfare-Cursor: ${cursor}\r\nFanfare-Channel: several/b\r\nFanfare-Offset: 1\r\n` +
        `Content-Length: ${json.length}\r\n\r\n${json}\r\n--${boundary}\r\n`,
    )
  })

  it('ends with a gap, and the delimiter that closes all, where the receiver wants to stop', async () => {
    const live = await open({ path: '/channels/stopped?transport=multipart&onGap=stop' })
    await live.next()
    await publish(port, 'stopped', 'x')
    await live.next()
    await send(port, { method: 'DELETE', path: '/channels/stopped' })
    const last = await live.next()
    expect(last).toMatch(/^Content-Type: application\/json\r\nFanfare-Gap: deleted\r\nContent-Length: \d+\r\n\r\n\{"channel":"stopped",/)
    expect(last.endsWith(`}\r\n--${boundary}--\r\n`)).toBe(true)
    expect(await live.next()).toBe('')
  })
})

describe('while the store is slow to give what comes next', () => {
  it.each<[string, RegExp]>([
    ['stream', /^\{"cursor":"([^"]+)"\}\n$/],
    ['multipart', /^Fanfare-Cursor: (\S+)\r\nContent-Length: 0\r\n\r\n\r\n--/],
  ])('%s says again the place that it has, and never a newer one', async (name, heartbeat) => {
    let reads = 0
    const slow = await startServer({
      limits: { heartbeatMs: 200 },
      engine: async (settings) => {
        const engine = await openMemoryEngine(settings)
        const read = engine.read.bind(engine)
        // The first page comes, the second never does.
        engine.read = async (...asked) => await (reads++ === 0 ? read(...asked) : new Promise<never>(() => undefined))
        return engine
      },
    })
    try {
      const cursors: string[] = []
      for (let i = 0; i < 200; i++) cursors.push((await publish(slow.port, 'slow', `n${i}.`)).cursor)
      const stream = await open({ path: `/channels/slow?since=earliest&transport=${name}` }, slow.port)
      await stream.next()
      const seen: string[] = []
      const beats = (): (string | undefined)[] => seen.flatMap((chunk) => heartbeat.exec(chunk)?.[1] ?? [])
      while (beats().length < 3) seen.push(await stream.next())
      expect(seen.join('')).toContain('n127.')
      expect(seen.join('')).not.toContain('n128.')
      expect(new Set(beats())).toEqual(new Set([cursors[127]]))
    } finally {
      closeRaw()
      await slow.close()
    }
  })
})

describe('a server that goes down', () => {
  it('tells streams of lines and of parts when to come again, and ends them', async () => {
    const other = await startServer(options)
    const lines = await open({ path: '/channels/a?transport=stream' }, other.port)
    const parts = await open({ path: '/channels/a?transport=multipart' }, other.port)
    await lines.next()
    await parts.next()
    const closing = other.close()
    const words = /\{"error":\{"status":503,"code":"draining","message":"[^"]+","retry":true,"after":\d+\}\}/
    expect(await lines.next()).toMatch(new RegExp(`^${words.source}\n$`))
    expect(await parts.next()).toMatch(
      new RegExp(`Fanfare-Error: draining\r\nContent-Length: \\d+\r\n\r\n${words.source}\r\n--${boundary}--\r\n$`),
    )
    await closing
  })
})
