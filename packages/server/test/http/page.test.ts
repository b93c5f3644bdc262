import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createServer } from '../../src/create-server.ts'
import { expectProblem } from '../support/problems.ts'
import { header, send } from '../support/raw-http.ts'
import type { Answer } from '../support/raw-http.ts'
import { startServer } from '../support/start-server.ts'
import type { TestOptions, TestServer } from '../support/start-server.ts'

const browser = ['Accept', 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'] as const
const run = promisify(execFile)
const mostBytes = 40 * 1024

let server: TestServer
let port: number

beforeAll(async () => {
  server = await startServer({ transports: 'all' })
  port = server.port
})
afterAll(async () => await server.close())

async function pageOf(target = '/', at = port): Promise<Answer & { readonly text: string }> {
  const answer = await send(at, { path: target, headers: [browser] })
  return { ...answer, text: answer.body.toString() }
}

interface Facts {
  readonly channel: string
  readonly channelPath: string
  readonly problem?: string
  readonly head: number
  readonly keep: string
  readonly version: string
  readonly engine: { readonly name: string; readonly promise: string }
  readonly transports: Readonly<Record<string, boolean>>
  readonly commands: readonly { readonly what: string; readonly line: string }[]
}

function factsIn(text: string): Facts {
  const found = /<script type="application\/json" id="facts">(.*?)<\/script>/s.exec(text)
  return JSON.parse(found?.[1] ?? '') as Facts
}

async function withServer(options: TestOptions, use: (at: number) => Promise<void>): Promise<void> {
  const other = await startServer(options)
  try {
    await use(other.port)
  } finally {
    await other.close()
  }
}

describe('the address / to a browser', () => {
  it('is one page that asks for nothing else and lets nothing else in', async () => {
    const { text, ...answer } = await pageOf()
    expect([answer.status, header(answer, 'content-type')]).toEqual([200, 'text/html; charset=utf-8'])
    expect(text.match(/<(?:link|script|img|iframe)\b[^>]*\b(?:src|href)="(?!data:)/g)).toBeNull()
    expect(text).not.toMatch(/@import|url\(/)
    const nonce = /<script type="module" nonce="([\w-]{24})">/.exec(text)?.[1] ?? ''
    expect(header(answer, 'content-security-policy')).toBe(
      `default-src 'none'; script-src 'nonce-${nonce}'; style-src 'nonce-${nonce}'; connect-src 'self'; img-src data:; frame-src 'self'; ` +
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    )
    expect(header(answer, 'x-content-type-options')).toBe('nosniff')
    expect(header(answer, 'cache-control')).toBe('no-store')
    // script-guard.ts looks at the Referer of frames and scripts.
    expect(header(answer, 'referrer-policy')).toBe('same-origin')
    expect(header(answer, 'vary')).toMatch(/\baccept\b/i)
  })

  it('has another nonce each time', async () => {
    const nonces = await Promise.all([pageOf(), pageOf()].map(async (answer) => /nonce="([^"]+)"/.exec((await answer).text)?.[1]))
    expect(new Set(nonces).size).toBe(2)
  })

  it('allows no frames where the iframe is switched off', async () => {
    await withServer({}, async (at) => {
      const page = await pageOf('/', at)
      expect(header(page, 'content-security-policy')).not.toContain('frame-src')
      expect(factsIn(page.text).transports).toMatchObject({ sse: true, iframe: false, jsonp: false })
    })
  })

  it('is small', async () => {
    expect((await pageOf()).body.length).toBeLessThan(mostBytes)
  })

  it('has a script that a browser can read: no two modules of it use the same name', async () => {
    const script = /<script type="module" nonce="[^"]+">(.*?)<\/script>/s.exec((await pageOf()).text)?.[1] ?? ''
    expect(script.length).toBeGreaterThan(10_000)
    expect(script).not.toMatch(/^ *(?:import|export) /m)
    const folder = mkdtempSync(join(tmpdir(), 'fanfare-page-'))
    try {
      writeFileSync(join(folder, 'page.mjs'), script)
      await run(process.execPath, ['--check', join(folder, 'page.mjs')])
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it('says what runs here, and from where on the channel goes', async () => {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { readonly version: string }
    for (const data of ['1', '2']) await send(port, { method: 'POST', path: '/channels/quotes/A', body: data })
    expect(factsIn((await pageOf('/?channel=quotes/A')).text)).toMatchObject({
      version,
      engine: { name: 'memory', promise: 'publications end with the process' },
      channel: 'quotes/A',
      head: 2,
      keep: '10,000 publications, 24 h, 16 MiB of a channel',
    })
    expect(factsIn((await pageOf()).text)).toMatchObject({ channel: 'demo', head: 0 })
  })

  it('holds a channel name as data, whatever is in it', async () => {
    const name = `</script><script>alert(1)</script>&"'$&`
    const { text } = await pageOf(`/?channel=${encodeURIComponent(name)}`)
    expect(text).not.toContain('<script>')
    expect(text.match(/<\/script>/g)).toHaveLength(2)
    expect(factsIn(text).channel).toBe(name)
  })

  it.each([
    ['?channel=', 'at least 1 byte'],
    ['?channel=a%20b', 'white space'],
    ['?channel=$own', 'reserved'],
  ])('tells of %s what is wrong with the name', async (query, problem) => {
    const page = await pageOf(`/${query}`)
    expect([page.status, factsIn(page.text).problem]).toEqual([200, expect.stringContaining(problem)])
  })

  it('stands behind the guard', async () => {
    expectProblem(await send(port, { path: '/', headers: [browser, ['Host', 'evil.example']] }), 403, 'host-refused')
    expectProblem(await send(port, { path: '/', headers: [browser, ['Origin', 'http://evil.example']] }), 403, 'origin-refused')
  })

  it('answers HEAD with the same fields and no body, and no other method', async () => {
    const head = await send(port, { method: 'HEAD', path: '/', headers: [browser] })
    expect([head.status, header(head, 'content-type'), head.body.length]).toEqual([200, 'text/html; charset=utf-8', 0])
    expect(Number(header(head, 'content-length'))).toBeGreaterThan(10_000)
    expect(header(await send(port, { method: 'POST', path: '/' }), 'allow')).toBe('GET, HEAD, OPTIONS')
  })
})

describe('the address / to others', () => {
  it.each([['*/*'], ['text/plain'], ['application/json'], ['text/html;q=0.5, */*'], [undefined]])(
    'with Accept %s is text',
    async (accept) => {
      const answer = await send(port, { path: '/', headers: accept === undefined ? [] : [['Accept', accept]] })
      expect([answer.status, header(answer, 'content-type')]).toEqual([200, 'text/plain; charset=utf-8'])
      expect(header(answer, 'vary')).toMatch(/\baccept\b/i)
    },
  )

  it('has the lines for this address and channel, as a shell takes them', async () => {
    const host = `127.0.0.1:${port}`
    const text = (await send(port, { path: "/?channel=it's/AAPL" })).body.toString()
    expect(text).toContain(`curl -d 'hello' 'http://${host}/channels/it%27s/AAPL'\n`)
    expect(text).toContain(`curl -N -H 'Accept: text/event-stream' 'http://${host}/channels/it%27s/AAPL'\n`)
    expect(text).toContain(`http://${host}/openapi.json\n`)
    const line = /^publish +(.*)$/m.exec(text)?.[1] ?? ''
    const { stdout } = await run('sh', ['-c', `${line} --silent`], { timeout: 10_000 })
    expect(JSON.parse(stdout)).toMatchObject({ channel: "it's/AAPL", offset: 1 })
  })

  it('names only transports that are switched on', async () => {
    await withServer({ transports: ['poll'] }, async (at) => {
      const text = (await send(at, { path: '/' })).body.toString()
      expect(text).toContain('?last=10')
      expect(text).not.toMatch(/event-stream|ndjson|wait=/)
    })
  })

  it('speaks of https where a proxy does', async () => {
    const text = (await send(port, { path: '/', headers: [['X-Forwarded-Proto', 'https']] })).body.toString()
    expect(text).toContain(`https://127.0.0.1:${port}/channels/demo`)
  })

  it('stands below the prefix of an attached server', async () => {
    const inside = await createServer({ engine: 'memory' })
    const http = createHttpServer()
    inside.attach(http, { prefix: '/push' })
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
    const at = (http.address() as AddressInfo).port
    const text = (await send(at, { path: '/push/' })).body.toString()
    await inside.close()
    await new Promise((resolve) => http.close(resolve))
    expect(text).toContain(`http://127.0.0.1:${at}/push/channels/demo`)
    expect(text).toContain(`http://127.0.0.1:${at}/push/openapi.json`)
  })

  it('refuses a channel that is none', async () => {
    expectProblem(await send(port, { path: '/?channel=a%20b' }), 400, 'channel-name-invalid')
  })
})
