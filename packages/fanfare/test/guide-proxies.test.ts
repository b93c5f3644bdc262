import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createServer } from '@fanfare/server'
import type { FanfareServer } from '@fanfare/server'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { blocksOf, onPath, readDocument } from './support/document.ts'
import { temporaryDirectory } from './support/io.ts'

// The guide's configurations of proxies, each run by the proxy itself where it is on the PATH; `npm test` says which are not.

interface Proxy {
  readonly program: string
  /** The mark of its block. */
  readonly file: string
  readonly args: (file: string, directory: string) => readonly string[]
  /** What is taken away of it: TLS, its port, and the address behind. */
  readonly here: (text: string, port: number, directory: string) => string
}

const proxies: readonly Proxy[] = [
  {
    program: 'nginx',
    file: 'nginx.conf',
    args: (file, directory) => ['-p', directory, '-e', join(directory, 'error.log'), '-c', file],
    here: (text, port, directory) =>
      [
        `daemon off; pid ${directory}/nginx.pid; worker_processes 1; events {}`,
        `http { access_log off; ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${directory}/${name};`).join(' ')}`,
        text.replace('listen 443 ssl;', `listen 127.0.0.1:${port};`).replace(/^ *ssl_certificate.*\n/gm, ''),
        '}',
      ].join('\n'),
  },
  {
    program: 'caddy',
    file: 'Caddyfile',
    args: (file) => ['run', '--config', file, '--adapter', 'caddyfile'],
    here: (text, port) => `{\n  admin off\n}\n${text.replace('push.example.com {', `http://push.example.com:${port} {\n  bind 127.0.0.1`)}`,
  },
  {
    program: 'haproxy',
    file: 'haproxy.cfg',
    args: (file) => ['-f', file],
    here: (text, port) => text.replace(/bind :443 .*/, `bind 127.0.0.1:${port}`),
  },
]

const host = 'push.example.com'
const blocks = blocksOf(readDocument('docs/guide/operate.md'))
const textOf = ({ file }: Proxy): string => blocks.find(({ mark }) => mark === file)?.text ?? ''

let server: FanfareServer
let behind: string
let directory: ReturnType<typeof temporaryDirectory>
let running: ChildProcess | undefined

beforeEach(async () => {
  directory = temporaryDirectory()
  server = await createServer({ engine: 'memory', listen: '127.0.0.1:0', hosts: [host], origins: ['https://app.example.com'] })
  behind = new URL(await server.listen()).host
})
afterEach(async () => {
  if (running?.pid !== undefined && running.exitCode === null && running.signalCode === null) {
    running.kill('SIGKILL')
    await once(running, 'close')
  }
  await server.close()
  directory.remove()
})

async function freePort(): Promise<number> {
  const probe = net.createServer()
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve))
  const { port } = probe.address() as AddressInfo
  await new Promise((resolve) => probe.close(resolve))
  return port
}

async function start(proxy: Proxy): Promise<number> {
  const port = await freePort()
  const file = join(directory.path, proxy.file)
  mkdirSync(join(directory.path, 'logs'))
  writeFileSync(file, proxy.here(textOf(proxy).replaceAll('127.0.0.1:8000', behind), port, directory.path))
  running = spawn(proxy.program, proxy.args(file, directory.path), {
    cwd: directory.path,
    env: { ...process.env, HOME: directory.path },
    stdio: 'ignore',
  })
  await expect.poll(async () => await answers(port), { timeout: 10_000, interval: 100 }).toBe(true)
  return port
}

async function answers(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('close', () => resolve(false))
    setTimeout(() => socket.destroy(), 500).unref()
  })
}

/** What a stream brings up to and with the text. */
async function streamed(port: number, accept: string, text: string): Promise<string> {
  return await new Promise((resolve, reject) => {
    const headers = { Host: host, Origin: 'https://app.example.com', Accept: accept }
    const request = http.get({ port, host: '127.0.0.1', path: '/channels/news', headers }, (response) => {
      let came = ''
      response.on('data', (part: Buffer) => {
        if (came === '') void server.publish('news', text)
        came += part.toString()
        if (!came.includes(text)) return
        request.destroy()
        resolve(came)
      })
      response.on('error', reject)
    })
    request.setTimeout(5000, () => request.destroy(new Error('nothing came: the proxy holds it')))
    request.once('error', reject)
  })
}

describe("the guide's proxies", () => {
  it.each(proxies)('have a configuration for $program, in which the test finds its place', (proxy) => {
    const text = textOf(proxy)
    expect(text).toContain('127.0.0.1:8000')
    expect(proxy.here(text, 4711, '/nowhere')).toContain('4711')
    expect(proxy.here(text, 4711, '/nowhere')).not.toContain('443')
  })

  it.each(proxies.filter(({ program }) => onPath(program)))('let streams, WebSockets and publishes through: $program', async (proxy) => {
    const port = await start(proxy)
    for (const accept of ['text/event-stream', 'application/x-ndjson', 'multipart/mixed'])
      expect(await streamed(port, accept, `over ${accept}`)).toContain(`over ${accept}`)
    const socket = new WebSocket(`ws://127.0.0.1:${port}/channels/news`, { headers: { Host: host }, origin: 'https://app.example.com' })
    await once(socket, 'open')
    socket.send('said on a socket')
    const [message] = (await once(socket, 'message')) as [Buffer]
    expect(message.toString()).toBe('said on a socket')
    socket.terminate()
    // Who asks behind another name is still refused: the proxy says which one it was asked for.
    const refused = new WebSocket(`ws://127.0.0.1:${port}/channels/news`, { headers: { Host: host }, origin: 'http://localhost' })
    const [error] = (await once(refused, 'error')) as [Error]
    expect(error.message).toContain('403')
  })
})
