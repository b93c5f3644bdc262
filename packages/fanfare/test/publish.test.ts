import { Readable } from 'node:stream'
import { afterEach, describe, expect, it } from 'vitest'
import { FakeLog, fakeServer, problem } from './support/fake-server.ts'
import type { FakeServer } from './support/fake-server.ts'
import { TestIo } from './support/io.ts'

const servers: FakeServer[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close()
})

async function serving(...args: Parameters<typeof fakeServer>): Promise<FakeServer> {
  const server = await fakeServer(...args)
  servers.push(server)
  return server
}

function storing(log: FakeLog): Parameters<typeof fakeServer>[0] {
  return (request, response, body) => response.end(log.append(String(request.headers['idempotency-key']), body))
}

const numbers = (count: number): string[] => Array.from({ length: count }, (_, index) => String(index + 1))

describe('publish', () => {
  it('sends one message as text, and says that it went', async () => {
    const log = new FakeLog()
    const server = await serving(storing(log))
    const io = new TestIo({ env: { FANFARE_URL: server.url } })
    expect(await io.run('publish', 'news', 'hello')).toBe(0)
    expect(server.requests[0]).toMatchObject({ method: 'POST', path: '/publish?atomic=1' })
    expect(JSON.parse(server.requests[0]?.body ?? '')).toEqual({ channel: 'news', type: 'text/plain', data: 'hello' })
    expect(io.stdout.text).toBe('published 1 to news\n')
  })

  it('sends JSON as it was written, with its event and type', async () => {
    const log = new FakeLog()
    const server = await serving(storing(log))
    const io = new TestIo()
    expect(
      await io.run('publish', 'a/b', '{"n": 1e400}', '--json', '--event', 'price', '--type', 'application/vnd.x+json', '--url', server.url),
    ).toBe(0)
    expect(server.requests[0]?.body).toBe('{"channel":"a/b","event":"price","type":"application/vnd.x+json","data":{"n": 1e400}}\n')
  })

  it('sends what is not UTF-8 as bytes', async () => {
    const log = new FakeLog()
    const server = await serving(storing(log))
    const io = new TestIo()
    io.stdin.end(Buffer.from([0xff, 0xfe, 0x0a]))
    expect(await io.run('publish', 'raw', '--url', server.url)).toBe(0)
    expect(JSON.parse(server.requests[0]?.body ?? '')).toEqual({
      channel: 'raw',
      type: 'application/octet-stream',
      encoding: 'base64',
      data: '//4=',
    })
  })

  it('sends each line of stdin once and in order, in batches', async () => {
    const log = new FakeLog()
    const server = await serving(storing(log))
    const io = new TestIo()
    io.stdin.end(`${numbers(20_000).join('\n')}\n`)
    expect(await io.run('publish', 'numbers', '--url', server.url)).toBe(0)
    expect(log.payloads).toEqual(numbers(20_000))
    expect(io.stdout.text).toBe('published 20000 to numbers\n')
    expect(server.requests.length).toBeLessThan(200)
  })

  it('keeps empty lines, drops CR before LF, and takes a last line without an end', async () => {
    const log = new FakeLog()
    const server = await serving(storing(log))
    const io = new TestIo()
    io.stdin.end('one\r\n\nthree')
    await io.run('publish', 'lines', '--url', server.url)
    expect(log.payloads).toEqual(['one', '', 'three'])
  })

  it('sends a line at once while the source is slow', async () => {
    const log = new FakeLog()
    const server = await serving(storing(log))
    const io = new TestIo()
    const done = io.run('publish', 'slow', '--url', server.url)
    for (const line of ['a', 'b', 'c']) {
      io.stdin.write(`${line}\n`)
      await expect.poll(() => log.payloads.at(-1)).toBe(line)
    }
    io.stdin.end()
    expect(await done).toBe(0)
    expect(log.batches).toEqual([1, 1, 1])
  })

  it('doubles nothing and loses nothing when answers are lost, refused and cut', async () => {
    const log = new FakeLog()
    let asked = 0
    const server = await serving((request, response, body) => {
      const turn = asked++ % 5
      const key = String(request.headers['idempotency-key'])
      if (turn === 0) return problem(response, 503, { code: 'overloaded' }, { 'Retry-After': '0' })
      if (turn === 1) return request.socket.destroy()
      const answer = log.append(key, body)
      if (turn === 2) return request.socket.destroy()
      if (turn === 3) return problem(response, 502)
      response.end(answer)
    })
    const io = new TestIo()
    io.stdin.end(`${numbers(3000).join('\n')}\n`)
    expect(await io.run('publish', 'numbers', '--url', server.url)).toBe(0)
    expect(log.payloads).toEqual(numbers(3000))
    expect(io.stdout.text).toBe('published 3000 to numbers\n')
    expect(io.stderr.text).toContain('trying again')
  })

  it('has never two batches under way', async () => {
    const log = new FakeLog()
    let under = 0
    let most = 0
    const server = await serving((request, response, body) => {
      most = Math.max(most, ++under)
      setImmediate(() => {
        under--
        response.end(log.append(String(request.headers['idempotency-key']), body))
      })
    })
    const io = new TestIo()
    io.stdin.end(`${numbers(10_000).join('\n')}\n`)
    await io.run('publish', 'numbers', '--url', server.url)
    expect(most).toBe(1)
  })

  it('does not read on while the server does not answer', async () => {
    let release = (): void => undefined
    const held = new Promise<void>((resolve) => (release = resolve))
    const log = new FakeLog()
    const server = await serving(
      (request, response, body) => void held.then(() => response.end(log.append(String(request.headers['idempotency-key']), body))),
    )
    const io = new TestIo()
    const done = io.run('publish', 'much', '--url', server.url)
    const line = `${'x'.repeat(999)}\n`
    let read = 0
    const source = function* (): Iterable<string> {
      for (; read < 10_000; read++) yield line
    }
    Readable.from(source()).pipe(io.stdin)
    await expect.poll(() => server.requests.length).toBe(1)
    for (let turn = 0; turn < 2000; turn++) await new Promise((resolve) => setImmediate(resolve))
    expect(read).toBeLessThan(5000)
    release()
    expect(await done).toBe(0)
    expect(log.payloads.length).toBe(10_000)
  })

  it('halves a batch that the server finds too large', async () => {
    const log = new FakeLog()
    const server = await serving((request, response, body) => {
      if (body.split('\n').length - 1 > 100) return problem(response, 413, { code: 'body-too-large' })
      response.end(log.append(String(request.headers['idempotency-key']), body))
    })
    const io = new TestIo()
    io.stdin.end(`${numbers(3000).join('\n')}\n`)
    expect(await io.run('publish', 'numbers', '--url', server.url)).toBe(0)
    expect(log.payloads).toEqual(numbers(3000))
    expect(Math.max(...log.batches)).toBeLessThanOrEqual(100)
  })

  it('stops at a line that is refused, after those before it, names it, and says what went', async () => {
    const log = new FakeLog()
    const server = await serving((request, response, body) => {
      const at = body.split('\n').findIndex((line) => line.includes('bad'))
      if (at >= 0) return problem(response, 413, { code: 'payload-too-large', title: 'Too large', index: at })
      response.end(log.append(String(request.headers['idempotency-key']), body))
    })
    const io = new TestIo()
    const done = io.run('publish', 'numbers', '--url', server.url)
    io.stdin.write('1\n2\n')
    await expect.poll(() => log.payloads.length).toBe(2)
    io.stdin.write('3\nbad\n5\n')
    io.stdin.end()
    expect(await done).toBe(1)
    expect(io.stderr.text).toContain('publication 4: Too large (413)')
    expect(log.payloads).toEqual(['1', '2', '3'])
    expect(io.stdout.text).toBe('published 3 to numbers\n')
  })

  it('stops at a line that is no JSON, after those before it', async () => {
    const log = new FakeLog()
    const server = await serving(storing(log))
    const io = new TestIo()
    io.stdin.end('{"a":1}\n\n[2]\n{"a":\n3\n')
    expect(await io.run('publish', 'json', '--json', '--url', server.url)).toBe(1)
    expect(log.payloads).toEqual(['{"a":1}', '[2]'])
    expect(io.stderr.text).toMatch(/line 4: the JSON/)
    expect(io.stdout.text).toBe('published 2 to json\n')
  })

  it('gives up where nobody listens, after the time that it may try', async () => {
    const server = await fakeServer(() => undefined)
    await server.close()
    const io = new TestIo()
    expect(await io.run('publish', 'news', 'hello', '--retry-for', '300ms', '--url', server.url)).toBe(1)
    expect(io.stderr.text).toContain(`nobody listens at ${server.url}`)
    expect(io.stdout.text).toBe('')
  })

  it('does not try again what is refused for good', async () => {
    const server = await serving((_request, response) => problem(response, 403, { code: 'channel-reserved', title: 'Reserved' }))
    const io = new TestIo()
    expect(await io.run('publish', '$x', 'hello', '--url', server.url)).toBe(1)
    expect(server.requests.length).toBe(1)
    expect(io.stderr.text).toContain('Reserved (403)')
  })

  it('does not take another server for Fanfare', async () => {
    const server = await serving((_request, response) => response.end('<html>'))
    const io = new TestIo()
    expect(await io.run('publish', 'news', 'hello', '--url', server.url)).toBe(1)
    expect(io.stderr.text).toContain('not as Fanfare does')
  })

  it('sends what it has read when it is told to end, and gives up at the second time', async () => {
    for (const times of [1, 2]) {
      const log = new FakeLog()
      let release = (): void => undefined
      const held = new Promise<void>((resolve) => (release = resolve))
      const server = await serving((request, response, body) => {
        void held.then(() => response.end(log.append(String(request.headers['idempotency-key']), body)))
      })
      const io = new TestIo()
      const done = io.run('publish', 'slow', '--url', server.url)
      io.stdin.write('a\n')
      await expect.poll(() => server.requests.length).toBe(1)
      io.stdin.write('b\n')
      await expect.poll(() => io.stdin.readableLength).toBe(0)
      for (let time = 0; time < times; time++) io.signal()
      if (times === 1) release()
      expect(await done).toBe(times === 1 ? 0 : 1)
      expect(log.payloads).toEqual(times === 1 ? ['a', 'b'] : [])
      if (times === 2) expect(io.stderr.text).toContain('ended before there was an answer (the last batch may be in the log all the same)')
    }
  })

  it('is wrong usage without a channel, with two messages, and with a bad name', async () => {
    for (const args of [[], ['a', 'b', 'c'], ['a b', 'x'], ['a', '-5']]) expect(await new TestIo().run('publish', ...args)).toBe(2)
  })

  it('takes a message that begins with a dash behind --', async () => {
    const log = new FakeLog()
    const server = await serving(storing(log))
    const io = new TestIo()
    expect(await io.run('publish', 'temp', '--url', server.url, '--', '-5')).toBe(0)
    expect(log.payloads).toEqual(['-5'])
  })
})
