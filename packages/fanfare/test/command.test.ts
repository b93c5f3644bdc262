import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { command, serving } from './support/command.ts'
import type { Command } from './support/command.ts'
import { temporaryDirectory } from './support/io.ts'

let directory: ReturnType<typeof temporaryDirectory>
let started: Command[] = []

beforeEach(() => {
  directory = temporaryDirectory()
})
afterEach(async () => {
  for (const { child, ended } of started) {
    child.kill('SIGKILL')
    await ended
  }
  started = []
  directory.remove()
})

function start(args: readonly string[], input?: string): Command {
  const made = command(args, { directory: directory.path, input })
  started.push(made)
  return made
}

async function serve(...flags: string[]): Promise<Command & { url: string }> {
  const made = await serving(directory.path, ...flags)
  started.push(made)
  return made
}

const numbers = (count: number): string => Array.from({ length: count }, (_, index) => `${index + 1}\n`).join('')

describe.each(['memory', 'disk'])('the command, with the engine %s', (engine) => {
  it('carries a thousand lines to receivers on every transport, from the beginning and in the middle', { timeout: 60_000 }, async () => {
    const server = await serve('--engine', engine)
    const receivers = ['sse', 'stream', 'websocket', 'long-poll', 'poll'].map((transport) =>
      start(['subscribe', 'numbers', '--since', 'earliest', '--transport', transport, '--url', server.url]),
    )
    const publish = start(['publish', 'numbers', '--url', server.url], numbers(1000))
    expect(await publish.ended).toBe(0)
    expect(publish.stdout()).toBe('published 1000 to numbers\n')
    expect(publish.stderr()).toBe('')
    for (const receiver of receivers) {
      await receiver.until((stdout) => stdout.endsWith('\n1000\n'))
      receiver.child.kill('SIGINT')
      expect(await receiver.ended).toBe(0)
      expect(receiver.stdout()).toBe(numbers(1000))
    }
  })

  it('drains at SIGTERM: receivers are sent away, a held poll is answered, and it ends with 0', { timeout: 40_000 }, async () => {
    const server = await serve('--engine', engine)
    const events = await fetch(`${server.url}/channels/a?transport=sse`)
    const reader = events.body?.getReader()
    await reader?.read()
    const held = fetch(`${server.url}/channels/a?wait=30`)
    await once(http.get(`${server.url}/healthz`), 'response').then(([answer]: http.IncomingMessage[]) => answer?.resume())
    server.child.kill('SIGTERM')
    const answer = await held
    expect(answer.status).toBe(200)
    expect(await answer.json()).toMatchObject({ publications: [], more: false })
    for (let part = await reader?.read(); part?.done === false; part = await reader?.read());
    expect(await server.ended).toBe(0)
    expect(server.stdout()).toMatch(/draining.*\n.*ended\n$/)
  })
})

describe('the command on disk', () => {
  it('goes on after a restart with what was published and with every cursor', { timeout: 60_000 }, async () => {
    const first = await serve()
    await start(['publish', 'n', '--url', first.url], numbers(20)).ended
    const receiver = start(['subscribe', 'n', '--last', '3', '--cursor-file', 'place', '--url', first.url])
    await receiver.until((stdout) => stdout === '18\n19\n20\n')
    receiver.child.kill('SIGINT')
    expect(await receiver.ended).toBe(0)
    await start(['publish', 'n', '21', '--url', first.url]).ended
    first.child.kill('SIGKILL')
    await first.ended

    const second = await serve()
    await start(['publish', 'n', '22', '--url', second.url]).ended
    const again = start(['subscribe', 'n', '--json', '--cursor-file', 'place', '--url', second.url])
    await again.until((stdout) => stdout.includes('"data":"22"'))
    const publications = again
      .stdout()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { offset: number; data: string })
    expect(publications.map(({ offset, data }) => [offset, data])).toEqual([
      [21, '21'],
      [22, '22'],
    ])
    expect(again.stderr()).toBe('')
  })

  it('refuses a directory that another server owns, and names the owner', { timeout: 15_000 }, async () => {
    const first = await serve()
    const second = start(['serve', '--listen', '127.0.0.1:0'])
    expect(await second.ended).toBe(1)
    expect(second.stderr()).toContain(String(first.child.pid))
    expect(second.stderr()).not.toContain('    at ')
  })
})

describe('serve', () => {
  it('says where it listens as JSON too', async () => {
    const server = await serve('--engine', 'memory', '--log', 'json')
    const lines = server
      .stdout()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(lines.find(({ url }) => url !== undefined)).toMatchObject({ level: 'info', url: server.url })
    expect(lines.find(({ engine }) => engine !== undefined)).toMatchObject({ engine: 'memory', durable: 'memory', forks: 'never' })
  })

  it('says that a port is taken, and another that may be free', async () => {
    const taken = net.createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const { port } = taken.address() as net.AddressInfo
    const server = start(['serve', '--engine', 'memory', '--listen', String(port)])
    expect(await server.ended).toBe(1)
    expect(server.stderr()).toContain(`127.0.0.1:${port} is in use`)
    expect(server.stdout()).toBe('')
    taken.close()
  })

  it('does not listen where others reach it without authentication, unless told so, loudly', async () => {
    const refused = start(['serve', '--engine', 'memory', '--listen', '0.0.0.0:0'])
    expect(await refused.ended).toBe(1)
    expect(refused.stderr()).toContain('--insecure')
    const server = start(['serve', '--engine', 'memory', '--listen', '0.0.0.0:0', '--insecure'])
    await server.until((stdout) => stdout.includes('listens on'))
    expect(server.stderr()).toContain('INSECURE')
  })

  it('ends at once at a second signal', { timeout: 30_000 }, async () => {
    const server = await serve('--engine', 'memory')
    const socket = net.connect(Number(new URL(server.url).port), '127.0.0.1')
    socket.on('error', () => undefined)
    socket.write('POST /channels/a HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\n')
    // The request has begun, and never ends: the drain waits for it.
    await once(http.get(`${server.url}/healthz`, { agent: false }), 'response')
    server.child.kill('SIGTERM')
    await server.until((stdout) => stdout.includes('draining'))
    const begun = performance.now()
    const again = setInterval(() => server.child.kill('SIGTERM'), 100)
    expect(await server.ended).toBe(1)
    clearInterval(again)
    expect(performance.now() - begun).toBeLessThan(5000)
    socket.destroy()
  })

  it('does what its configuration says of payloads', { timeout: 30_000 }, async () => {
    writeFileSync(
      join(directory.path, 'fanfare.yaml'),
      'engine: memory\nlimits: { payloadBytes: 128KiB }\nchannels:\n  - { match: small, payload: 1KiB }\n  - { match: large }\n',
    )
    const server = await serve()
    const status = async (channel: string, bytes: number): Promise<number> =>
      (await fetch(`${server.url}/channels/${channel}`, { method: 'POST', body: 'x'.repeat(bytes) })).status
    expect([await status('small', 1024), await status('small', 1025)]).toEqual([201, 413])
    expect([await status('large', 131_072), await status('other', 131_072), await status('other', 131_073)]).toEqual([201, 201, 413])
  })

  it('takes its data directory from where it was started', { timeout: 30_000 }, async () => {
    const server = await serve('--data', 'kept/here')
    await server.until((stdout) => stdout.includes('kept/here'))
    expect(server.stdout().replace(/^\S+ /gm, '')).toBe(
      `Fanfare listens on ${server.url}\npublications are on the disk before they are answered data=kept/here\n`,
    )
    const answer = await fetch(`${server.url}/channels/a`, { method: 'POST', body: 'x' })
    expect(answer.status).toBe(201)
    expect(existsSync(join(directory.path, 'kept/here'))).toBe(true)
  })
})

describe('a data directory that can not be one', () => {
  it.each([
    ['taken', 'it is a file'],
    ['taken/below', '/taken is a file'],
  ])('is said in words: %s', async (data, reason) => {
    writeFileSync(join(directory.path, 'taken'), 'mine')
    const server = start(['serve', '--listen', '127.0.0.1:0', '--data', data])
    expect(await server.ended).toBe(1)
    expect(server.stderr()).toContain(`--data: the data directory ${data} can not be used: `)
    expect(server.stderr()).toMatch(new RegExp(`${reason}\\n$`))
  })
})

describe('subscribe in a pipe', () => {
  it('ends quietly with its reader', { timeout: 30_000 }, async () => {
    const server = await serve('--engine', 'memory')
    await start(['publish', 'n', '--url', server.url], numbers(10)).ended
    const receiver = start(['subscribe', 'n', '--since', 'earliest', '--url', server.url])
    await receiver.until((stdout) => stdout.endsWith('10\n'))
    receiver.child.stdout?.destroy()
    await start(['publish', 'n', 'more', '--url', server.url]).ended
    expect(await receiver.ended).toBe(0)
    expect(receiver.stderr()).toBe('')
  })
})
