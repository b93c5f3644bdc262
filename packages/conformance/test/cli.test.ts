import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { createServer } from '@fanfare/server'
import type { ServerOptions } from '@fanfare/server'
import { describe, expect, it, onTestFinished } from 'vitest'
import { main } from '../src/cli.ts'
import { askHttp } from '../src/receivers/http.ts'
import { freePort } from '../src/index.ts'

async function serving(options: ServerOptions = {}): Promise<string> {
  const server = await createServer({ engine: 'memory', listen: await freePort(), ...options })
  onTestFinished(() => server.close())
  return await server.listen()
}

/** The same server, whose answers are changed on their way. */
async function changing(url: string, change: (body: string) => string): Promise<string> {
  const proxy = createHttpServer((request, response) => {
    const body: Buffer[] = []
    request.on('data', (chunk: Buffer) => body.push(chunk))
    request.on('end', () => {
      const { method = 'GET', url: path = '/', headers } = request
      const asked = { method, path, headers: headers as Record<string, string>, body: method === 'POST' ? Buffer.concat(body) : undefined }
      void askHttp(url, asked).then((answer) => {
        const changed = change(answer.text)
        const { 'content-length': _, 'transfer-encoding': _chunked, ...rest } = answer.headers
        response.writeHead(answer.status, rest)
        return response.end(changed)
      })
    })
  })
  proxy.listen(await freePort(), '127.0.0.1')
  await once(proxy, 'listening')
  onTestFinished(() => {
    proxy.closeAllConnections()
    proxy.close()
  })
  return `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
}

async function run(args: readonly string[], more: { env?: Record<string, string>; terminal?: boolean; signal?: AbortSignal } = {}) {
  const text = { stdout: '', stderr: '' }
  const stream = (name: 'stdout' | 'stderr'): Writable =>
    Object.assign(
      new Writable({
        write(chunk: Buffer, _encoding, done) {
          text[name] += chunk.toString()
          done()
        },
      }),
      { isTTY: more.terminal === true },
    )
  const { env = {}, signal } = more
  const code = await main(args, { stdout: stream('stdout'), stderr: stream('stderr'), env, ...(signal === undefined ? {} : { signal }) })
  return { code, ...text }
}

/** The row of a table, as words. */
function rowOf(table: string, name: string): readonly string[] {
  const line = table.split('\n').find((line) => line.startsWith(`${name}  `)) ?? ''
  return line.slice(name.length).trim().split(/ {2,}/)
}

describe('conformance --url', { timeout: 60_000 }, () => {
  it('prints a table of a server in order, says what is switched off, and leaves nothing behind', async () => {
    const url = await serving()
    const { code, stdout, stderr } = await run(['--url', url, '--only', 'opening'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    for (const name of ['poll', 'long-poll', 'sse', 'websocket', 'fanfare.v1', 'stream', 'multipart'])
      expect({ name, row: rowOf(stdout, name) }).toEqual({ name, row: ['ok'] })
    for (const name of ['iframe', 'jsonp']) expect(rowOf(stdout, name)).toEqual(['switched off'])
    expect(stdout).toMatch(
      /\n19 checks of http:\/\/127\.0\.0\.1:\d+ in [\d.]+ s \(seed \d+\): all ok; 3 of 13 rows could not be checked\n$/,
    )
    const metrics = await askHttp(url, { path: '/metrics' })
    expect(metrics.text).toMatch(/^fanfare_store_publications 0$/m)
  })

  it('says what FAILED, with the reason below the table, and ends with 1', async () => {
    const url = await changing(await serving(), (body) =>
      body.replace(/"publications":\[(\{"channel":.*?\}),(\{"channel":.*?\})(?=[,\]])/, '"publications":[$2,$1'),
    )
    const { code, stdout } = await run(['--url', url, '--transports', 'poll', '--only', 'poll, opening'])
    expect(code).toBe(1)
    expect(rowOf(stdout, 'poll')).toEqual(['FAILED'])
    expect(stdout).toMatch(/\nFAILED poll, opening: begins where it was told to[^\n]*\n {2}Expected values to be strictly deep-equal/)
    expect(stdout).toMatch(/: \d FAILED\n$/)
  })

  it('tells a transport that is let in and says nothing from one that is switched off', async () => {
    const url = await changing(await serving(), (body) =>
      body.replace(/"publications":\[.*\](?=,"(?:more|gaps|cursor)")/, '"publications":[]'),
    )
    const { code, stdout } = await run(['--url', url, '--transports', 'poll,jsonp', '--patience', '1'])
    expect(code).toBe(1)
    expect(rowOf(stdout, 'poll')[0]).toBe('FAILED')
    expect(rowOf(stdout, 'jsonp')).toEqual(['switched off'])
    expect(stdout).toContain('FAILED poll, opening: says something at all\n  not done after 1 s: poll was told 0 publications')
  })

  it('prints JSON, and colour only on a terminal that wants it', async () => {
    const url = await serving()
    const args = ['--url', url, '--transports', 'sse', '--only', 'sse, order']
    const { stdout } = await run([...args, '--json', '--seed', '7'])
    expect(JSON.parse(stdout)).toMatchObject({ url, seed: 7, rows: [{ name: 'sse' }, { name: 'sse with envelope' }] })
    expect((await run(args)).stdout).not.toContain('\u001b')
    expect((await run(args, { terminal: true })).stdout).toContain('\u001b[32mok\u001b[0m')
    expect((await run(args, { terminal: true })).stderr).toContain('1 of 1: sse, order')
    expect((await run(args, { terminal: true, env: { NO_COLOR: '1' } })).stdout).not.toContain('\u001b')
  })

  it('ends early where it is told to, and deletes its channels all the same', async () => {
    const url = await serving()
    const stop = new AbortController()
    const running = run(['--url', url], { signal: stop.signal })
    await expect.poll(async () => (await askHttp(url, { path: '/metrics' })).text).toMatch(/^fanfare_store_publications [1-9]\d{2}/m)
    stop.abort()
    const { code, stdout } = await running
    expect(code).toBe(1)
    expect(stdout).toContain('ended before its end')
    expect((await askHttp(url, { path: '/metrics' })).text).toMatch(/^fanfare_store_publications 0$/m)
  })

  it.each([
    [[], 'needs --url'],
    [['--url', 'nowhere'], 'is no http or https address'],
    [['--url', 'http://127.0.0.1:8000/path'], 'without a path'],
    [['--url', 'http://127.0.0.1:8000', '--transports', 'pigeon'], 'not "pigeon"'],
    [['--url', 'http://127.0.0.1:8000', '--seed', 'x'], '--seed is a number'],
    [['--url', 'http://127.0.0.1:8000', '--patience', '0'], '--patience is a number of seconds'],
    [['--ulr', 'http://127.0.0.1:8000'], "Unknown option '--ulr'"],
  ])('ends with 2 where it is asked wrongly: %j', async (args, said) => {
    const { code, stderr, stdout } = await run(args)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain(said)
  })

  it('ends with 1 where nobody listens, and where it is no Fanfare', async () => {
    expect(await run(['--url', 'http://127.0.0.1:1'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('ECONNREFUSED') as unknown,
    })
    const other = createHttpServer((_request, response) => response.writeHead(404).end('nothing here'))
    other.listen(await freePort(), '127.0.0.1')
    await once(other, 'listening')
    onTestFinished(() => void other.close())
    const { port } = other.address() as AddressInfo
    const said = await run(['--url', `http://127.0.0.1:${port}`])
    expect(said).toMatchObject({ code: 1, stderr: expect.stringContaining('is it a Fanfare server?') as unknown })
  })

  it('says how it is used', async () => {
    const { code, stdout } = await run(['--help'])
    expect(code).toBe(0)
    for (const flag of ['--url', '--transports', '--only', '--long', '--patience', '--seed', '--json']) expect(stdout).toContain(flag)
  })
})

describe('the guide to it', () => {
  const guide = readFileSync(fileURLToPath(new URL('../../../docs/guide/conformance.md', import.meta.url)), 'utf8')
  const bin = fileURLToPath(new URL('../bin/conformance.mjs', import.meta.url))
  const lines = [...guide.matchAll(/```sh\n([^`]*)```/g)]
    .flatMap(([, block]) => (block ?? '').split('\n'))
    .filter((line) => line.startsWith('npx conformance'))

  it('shows the command', () => expect(lines.length).toBeGreaterThan(2))

  it.each(lines)('is right about %s', { timeout: 300_000 }, async (line) => {
    const url = await serving({ limits: { heartbeatMs: 500, pingMs: 500 } })
    const here = line.replace('http://127.0.0.1:8000', url).replace('npx conformance', `"${process.execPath}" "${bin}"`)
    const shell = spawn('sh', ['-c', here], { stdio: ['ignore', 'pipe', 'inherit'] })
    let printed = ''
    shell.stdout.on('data', (part: Buffer) => (printed += part.toString()))
    const [code] = (await once(shell, 'close')) as [number | null]
    expect({ code, printed }).toMatchObject({ code: 0, printed: expect.stringMatching(/all ok|"result": "ok"/) as unknown })
  })
})
