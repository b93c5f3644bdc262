import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createServer } from '@fanfare/server'
import type { FanfareServer, ServerOptions } from '@fanfare/server'
import { parseCursor } from '@fanfare/wire'
import { afterEach, describe, expect, it } from 'vitest'
import { WebSocketServer } from 'ws'
import { cuttingProxy } from './support/cutting-proxy.ts'
import { fakeServer, problem } from './support/fake-server.ts'
import { TestIo, temporaryDirectory } from './support/io.ts'

const transports = ['sse', 'stream', 'websocket', 'long-poll', 'poll', 'multipart'] as const

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

async function serving(options: ServerOptions = {}): Promise<FanfareServer & { address: string }> {
  const server = await createServer({ engine: 'memory', listen: '127.0.0.1:0', limits: { drainMs: 1000 }, ...options })
  closers.push(() => server.close())
  return Object.assign(server, { address: await server.listen() })
}

function directory(): string {
  const made = temporaryDirectory()
  closers.push(() => made.remove())
  return made.path
}

const numbers = (first: number, last: number): string[] => Array.from({ length: last - first + 1 }, (_, index) => String(first + index))

async function publishAll(server: FanfareServer, channel: string, payloads: readonly string[]): Promise<void> {
  for (const payload of payloads) await server.publish(channel, payload)
}

/** A subscription that runs until the test ends it. */
function subscribing(io: TestIo, ...args: string[]): { end(): Promise<number> } {
  const done = io.run('subscribe', ...args)
  const end = (): Promise<number> => {
    io.signal()
    return done
  }
  closers.push(end)
  return { end }
}

describe.each(transports)('subscribe over %s', (transport) => {
  it('prints what comes, as it was written', async () => {
    const server = await serving()
    const io = new TestIo()
    const call = subscribing(io, 'a', '--transport', transport, '--url', server.address, '--since', 'earliest')
    await server.publish('a', 'text "quoted" \u00e9')
    await fetch(`${server.address}/channels/a`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: '{"n":1e400, "i":12345678901234567890}',
    })
    await server.publish('a', new Uint8Array([0x62, 0x79, 0x74, 0x65]))
    await server.publish('a', 'last')
    await io.stdout.until((text) => text.endsWith('last\n'))
    expect(await call.end()).toBe(0)
    expect(io.stdout.lines).toEqual(['text "quoted" \u00e9', '{"n":1e400, "i":12345678901234567890}', 'byte', 'last'])
    expect(io.stderr.text).toBe('')
  })

  it('goes on by itself, without a gap or a double, wherever it is cut', async () => {
    const server = await serving()
    const scale = transport === 'poll' || transport === 'long-poll' ? 3 : 1
    const proxy = await cuttingProxy(server.address, (nth) => scale * (1000 + ((nth * 7919) % 20_000)))
    closers.push(() => proxy.close())
    const io = new TestIo()
    await publishAll(server, 'numbers', numbers(1, 300))
    const call = subscribing(io, 'numbers', '--transport', transport, '--url', proxy.url, '--since', 'earliest')
    await publishAll(server, 'numbers', numbers(301, 600))
    await io.stdout.until((text) => text.endsWith('\n600\n'))
    expect(await call.end()).toBe(0)
    expect(io.stdout.lines).toEqual(numbers(1, 600))
    expect(proxy.connections).toBeGreaterThan(3)
    expect(io.stderr.text).toContain('connecting again')
  })

  it('prints several channels as publications, in the order of the log', async () => {
    const server = await serving()
    for (const number of numbers(1, 20)) await server.publish(Number(number) % 2 === 0 ? 'even' : 'odd', Number(number), { event: 'count' })
    const io = new TestIo()
    const call = subscribing(io, 'odd', 'even', '--json', '--transport', transport, '--url', server.address, '--since', 'earliest')
    await io.stdout.until((text) => text.includes('"data":20'))
    expect(await call.end()).toBe(0)
    const publications = io.stdout.lines.map(
      (line) => JSON.parse(line) as { channel: string; data: number; offset: number; event: string; cursor: string },
    )
    expect(publications.map(({ data }) => data)).toEqual(numbers(1, 20).map(Number))
    expect(publications[3]).toMatchObject({ channel: 'even', offset: 2, event: 'count' })
  })

  it('begins with the newest ones, and goes on from a cursor file where it stopped', async () => {
    const server = await serving()
    const path = directory()
    const file = join(path, 'place')
    await publishAll(server, 'n', numbers(1, 50))
    const first = new TestIo({ directory: path })
    const one = subscribing(first, 'n', '--last', '5', '--cursor-file', 'place', '--transport', transport, '--url', server.address)
    await first.stdout.until((text) => text.endsWith('\n50\n'))
    expect(await one.end()).toBe(0)
    expect(first.stdout.lines).toEqual(numbers(46, 50))
    expect(parseCursor(readFileSync(file, 'utf8').trim())).toBeDefined()

    await publishAll(server, 'n', numbers(51, 60))
    const second = new TestIo({ directory: path })
    const two = subscribing(second, 'n', '--last', '5', '--cursor-file', 'place', '--transport', transport, '--url', server.address)
    await second.stdout.until((text) => text.endsWith('\n60\n'))
    expect(await two.end()).toBe(0)
    expect(second.stdout.lines).toEqual(numbers(51, 60))
  })

  it('tells a gap on stderr and goes on', async () => {
    const server = await serving({ rules: [{ match: '**', keep: { publications: 10 } }] })
    const path = directory()
    await server.publish('n', 'first')
    const { cursor } = await server.node.facts('n')
    writeFileSync(join(path, 'place'), cursor)
    await publishAll(server, 'n', numbers(1, 300))
    const io = new TestIo({ directory: path })
    const call = subscribing(io, 'n', '--cursor-file', 'place', '--transport', transport, '--url', server.address)
    await io.stdout.until((text) => text.endsWith('\n300\n'))
    await call.end()
    expect(io.stderr.text).toMatch(/gap in n: publications are missing, how many is not known \(trimmed: the keep/)
  })

  it('fails where the server refuses for good', async () => {
    const server = await serving({ transports: transports.filter((name) => name !== transport) })
    const io = new TestIo()
    expect(await io.run('subscribe', 'a', '--transport', transport, '--url', server.address)).toBe(1)
    expect(io.stderr.text).toContain('(403)')
  })

  it('waits for a server that is not there yet', async () => {
    const none = await fakeServer(() => undefined)
    await none.close()
    const io = new TestIo()
    const call = subscribing(io, 'a', '--transport', transport, '--url', none.url, '--since', 'earliest')
    await io.stderr.until((text) => text.includes(`nobody listens at ${none.url}; connecting again`))
    const server = await serving({ listen: new URL(none.url).host })
    await server.publish('a', 'here')
    await io.stdout.until((text) => text === 'here\n')
    expect(await call.end()).toBe(0)
    expect(io.stderr.lines.at(-1)).toBe('fanfare: connected again')
  })
})

describe('subscribe over websocket, as the contract says', () => {
  /** A server that says its lines to each connection in turn, and then closes it. */
  async function saying(turns: readonly { frames: readonly string[]; close: number }[]): Promise<{ url: string; asked: string[] }> {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
    closers.push(() => new Promise((resolve) => server.close(resolve)))
    await once(server, 'listening')
    const asked: string[] = []
    server.on('connection', (socket, request) => {
      const turn = turns[Math.min(asked.push(request.url ?? ''), turns.length) - 1]
      for (const frame of turn?.frames ?? []) socket.send(frame)
      socket.close(turn?.close ?? 1000)
    })
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
  }

  const publication = (cursor: string, data: number): string =>
    `{"channel":"a","offset":${data},"cursor":"${cursor}","time":1,"data":${data}}`

  it('passes over what it does not know, tells gaps, and goes on from the last cursor it was given', async () => {
    const { url, asked } = await saying([
      {
        frames: [
          '{"gap":{"channel":"a","reason":"trimmed","missed":12,"at":"g"}}',
          '{"cursor":"one"}',
          '{"later":true}',
          publication('two', 13),
          '{"skip":{"channel":"a","to":20,"cursor":"three","reason":"filtered"}}',
        ],
        close: 4503,
      },
      { frames: [publication('four', 21)], close: 4403 },
    ])
    const io = new TestIo()
    expect(await io.run('subscribe', 'a', '--last', '3', '--transport', 'websocket', '--url', url)).toBe(1)
    expect(asked).toEqual(['/channels/a?last=3&envelope=1', '/channels/a?since=three&envelope=1'])
    expect(io.stdout.lines).toEqual(['13', '21'])
    expect(io.stderr.lines).toEqual([
      'fanfare: gap in a: 12 publications are missing (trimmed: the keep of its rule holds no older ones)',
      'fanfare: the server closed the WebSocket with 4503; connecting again',
      'fanfare: connected again',
      'fanfare: the server closed the WebSocket with 4403',
    ])
  })

  it('does not take frames for Fanfare that are no objects', async () => {
    const { url } = await saying([{ frames: ['hello'], close: 1000 }])
    const io = new TestIo()
    expect(await io.run('subscribe', 'a', '--transport', 'websocket', '--url', url)).toBe(1)
    expect(io.stderr.text).toContain("a frame that Fanfare doesn't send")
  })
})

describe('subscribe', () => {
  it('comes again after the time that the server asks for', async () => {
    let asked = 0
    const at: number[] = []
    const server = await fakeServer((_request, response) => {
      at.push(performance.now())
      if (asked++ === 0) return problem(response, 503, { code: 'draining', title: 'Going down' }, { 'Retry-After': '1' })
      problem(response, 404, { code: 'address-unknown', title: 'Gone' })
    })
    closers.push(() => server.close())
    const io = new TestIo()
    expect(await io.run('subscribe', 'a', '--url', server.url)).toBe(1)
    expect((at[1] ?? 0) - (at[0] ?? 0)).toBeGreaterThanOrEqual(950)
    expect(io.stderr.lines).toEqual(['fanfare: Going down (503); connecting again', 'fanfare: Gone (404)'])
  })

  it('does not take another server for Fanfare', async () => {
    const server = await fakeServer((_request, response) => response.end('<html>'))
    closers.push(() => server.close())
    for (const transport of transports) {
      const io = new TestIo()
      expect(await io.run('subscribe', 'a', '--transport', transport, '--url', server.url)).toBe(1)
    }
  })

  it('ends quietly when its reader has had enough', async () => {
    const server = await serving()
    await publishAll(server, 'a', numbers(1, 3))
    const io = new TestIo()
    io.stdout._write = (_chunk, _encoding, done) => done(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }))
    expect(await io.run('subscribe', 'a', '--since', 'earliest', '--url', server.address)).toBe(0)
    expect(io.stderr.text).toBe('')
  })

  it('reads no further than its reader does', { timeout: 60_000 }, async () => {
    const server = await serving({ rules: [{ match: '**', keep: { publications: null, ageMs: null, bytes: null } }] })
    // The kernel's buffers between the two may hold tens of MiB.
    const payload = 'x'.repeat(10_000)
    for (let count = 0; count < 2000; count++) await server.publish('much', payload)
    const io = new TestIo()
    let release = (): void => undefined
    const held = new Promise<void>((resolve) => (release = resolve))
    let bytes = 0
    io.stdout._write = (chunk: Buffer, _encoding, written) => {
      bytes += chunk.length
      void held.then(() => written())
    }
    const call = subscribing(io, 'much', '--since', 'earliest', '--url', server.address)
    await expect.poll(() => server.node.counters.parked).toBeGreaterThan(0)
    expect(bytes).toBeLessThan(200_000)
    release()
    await expect.poll(() => bytes, { timeout: 30_000 }).toBe(2000 * 10_001)
    await call.end()
  })

  it('refuses a cursor file that holds none, and leaves it alone', async () => {
    const path = directory()
    writeFileSync(join(path, 'place'), 'my diary')
    const io = new TestIo({ directory: path })
    expect(await io.run('subscribe', 'a', '--cursor-file', 'place')).toBe(1)
    expect(io.stderr.text).toContain('holds no cursor')
    expect(readFileSync(join(path, 'place'), 'utf8')).toBe('my diary')
    expect(existsSync(join(path, `place.${process.pid}.new`))).toBe(false)
  })

  it('names a directory that is missing for its cursor file, before it receives anything', async () => {
    const path = directory()
    for (const file of ['missing/place', '.']) {
      const io = new TestIo({ directory: path })
      expect(await io.run('subscribe', 'a', '--cursor-file', file)).toBe(1)
      expect(io.stderr.lines).toEqual([
        `fanfare: the cursor can't be kept: ${file === '.' ? `${path} is a directory` : `there is no directory ${join(path, 'missing')}`}`,
      ])
    }
  })

  it.each(transports)('says on a terminal that it listens, once, over %s', async (transport) => {
    const server = await serving()
    const io = new TestIo()
    Object.assign(io.stderr, { isTTY: true })
    const call = subscribing(io, 'a', 'b', '--transport', transport, '--url', server.address)
    await io.stderr.until((text) => text.endsWith('\n'))
    await server.publish('a', 'hello')
    await io.stdout.until((text) => text === 'hello\n')
    await call.end()
    expect(io.stderr.text).toBe('fanfare: listening to a, b\n')
  })

  it('is wrong usage without a channel, with a bad name, or a bad place', async () => {
    for (const args of [[], ['a b'], ['a', '--since', 'yesterday'], ['a', '--last', '-1'], ['a', '--transport', 'pigeon']]) {
      expect(await new TestIo().run('subscribe', ...args)).toBe(2)
    }
  })
})
