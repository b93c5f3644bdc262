import { readFileSync } from 'node:fs'
import { errors } from '@fanfare/wire'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { publish } from '../support/problems.ts'
import { closeRaw } from '../support/raw-client.ts'
import { header, send } from '../support/raw-http.ts'
import { openSse } from '../support/sse-client.ts'
import { startServer } from '../support/start-server.ts'
import type { TestServer } from '../support/start-server.ts'

// Health, metrics, and the description of all addresses.

let server: TestServer
let port: number

beforeAll(async () => {
  server = await startServer({ rules: [{ match: 'short', keep: { publications: 2 } }] })
  port = server.port
})
afterAll(async () => await server.close())
afterEach(closeRaw)

async function metric(line: string): Promise<number> {
  const page = (await send(port, { path: '/metrics' })).body.toString()
  const found = page.split('\n').find((one) => one.startsWith(`${line} `))
  if (found === undefined) throw new Error(`there is no ${line}`)
  return Number(found.slice(line.length + 1))
}

describe('metrics', () => {
  it('are well-formed: each family has its help and type before its samples', async () => {
    const answer = await send(port, { path: '/metrics' })
    expect(header(answer, 'content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
    const lines = answer.body.toString().trimEnd().split('\n')
    let family = ''
    for (const line of lines) {
      const help = /^# HELP (fanfare_[a-z_]+) \S.*$/.exec(line)
      if (help !== null) family = help[1] ?? ''
      else
        expect(line).toMatch(
          new RegExp(
            `^(?:# TYPE ${family} (?:counter|gauge|histogram)|${family}(?:_bucket|_sum|_count)?(?:\\{[a-z]+="[^"]+"\\})? [0-9.e+-]+)$`,
          ),
        )
    }
  })

  it('count publications, deliveries, receivers, gaps and commits', async () => {
    const before = await Promise.all(
      [
        'fanfare_publications_total',
        'fanfare_deliveries_total',
        'fanfare_gaps_total{reason="trimmed"}',
        'fanfare_commit_seconds_count',
      ].map(metric),
    )
    const stream = await openSse(port, '/channels/short')
    await stream.next()
    expect(await metric('fanfare_receivers{transport="sse"}')).toBe(1)
    const first = await publish(port, 'short', '1')
    for (const data of ['2', '3', '4']) await publish(port, 'short', data)
    for (let i = 0; i < 4; i++) await stream.next()
    await send(port, { path: `/channels/short?since=${first.cursor}` })
    const after = await Promise.all(
      [
        'fanfare_publications_total',
        'fanfare_deliveries_total',
        'fanfare_gaps_total{reason="trimmed"}',
        'fanfare_commit_seconds_count',
      ].map(metric),
    )
    expect(after.map((value, i) => value - (before[i] ?? 0))).toEqual([4, 6, 1, 4])
    expect(await metric('fanfare_commit_seconds_bucket{le="+Inf"}')).toBe(after[3])
  })
})

describe('health', () => {
  it('is alive and ready, also to HEAD', async () => {
    expect((await send(port, { path: '/healthz' })).body.toString()).toBe('{"status":"alive"}')
    expect((await send(port, { path: '/readyz' })).body.toString()).toBe('{"status":"ready"}')
    expect((await send(port, { method: 'HEAD', path: '/readyz' })).status).toBe(200)
  })
})

interface OpenApi {
  readonly openapi: string
  readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>>
}

describe('the description', () => {
  it('is the file, and every reference in it leads somewhere', async () => {
    const served = JSON.parse((await send(port, { path: '/openapi.json' })).body.toString()) as OpenApi
    const text = readFileSync(new URL('../../src/http/openapi.json', import.meta.url), 'utf8')
    expect(served).toEqual(JSON.parse(text))
    expect(served.openapi).toMatch(/^3\.1\./)
    for (const [, path = ''] of text.matchAll(/"\$ref": "#\/([^"]+)"/g)) {
      const found = path.split('/').reduce<unknown>((node, name) => (node as Record<string, unknown> | undefined)?.[name], served)
      expect([path, typeof found]).toEqual([path, 'object'])
    }
  })

  it('names each method that an address answers to, and no other', async () => {
    const { paths } = JSON.parse((await send(port, { path: '/openapi.json' })).body.toString()) as OpenApi
    for (const [path, operations] of Object.entries(paths)) {
      const answer = await send(port, { method: 'PATCH', path: path.replace('{channel}', 'a') })
      expect([path, answer.status]).toEqual([path, 405])
      const allowed = (header(answer, 'allow') ?? '').split(', ').filter((method) => method !== 'OPTIONS')
      const named = Object.keys(operations)
        .filter((name) => name !== 'parameters')
        .map((name) => name.toUpperCase())
      // A GET answers to HEAD without saying so, but for channels, whose HEAD is an operation of its own.
      const implied = allowed.filter((method) => method !== 'HEAD' || named.includes('HEAD'))
      expect([path, implied.sort()]).toEqual([path, named.sort()])
    }
  })

  it('lists the statuses that errors have', () => {
    const text = readFileSync(new URL('../../src/http/openapi.json', import.meta.url), 'utf8')
    const everywhere = new Set([404, 405, 431, 500])
    const missing = Object.entries(errors).filter(([, { status }]) => !everywhere.has(status) && !text.includes(`"${status}": {`))
    expect(missing).toEqual([])
  })
})

describe('a head of a request', () => {
  const publishing = { method: 'POST', path: '/channels/heads', body: 'x' }

  it('with fields beyond what node counts is seen whole by the guard', async () => {
    const many = Array.from({ length: 2100 }, (): [string, string] => ['X', 'a'])
    for (const hidden of [
      ['Origin', 'http://evil.example'],
      ['Host', 'evil.example'],
    ] as [string, string][]) {
      const answer = await send(port, { ...publishing, headers: [['Host', 'localhost'], ...many, hidden] })
      expect([400, 403, 431]).toContain(answer.status)
    }
  })

  it.each([
    ['Fanfare-Event', 'a', 'b'],
    ['Fanfare-Id', 'a', 'b'],
    ['Idempotency-Key', 'a', 'b'],
    ['Content-Type', 'text/plain', 'application/json'],
  ])('with %s twice gets 400', async (name, first, second) => {
    const answer = await send(port, {
      ...publishing,
      headers: [
        [name, first],
        [name.toUpperCase(), second],
      ],
    })
    expect(JSON.parse(answer.body.toString())).toMatchObject({ status: 400, code: 'request-malformed' })
  })

  it('with a transfer coding besides chunked gets 400, for it would be stored as it is', async () => {
    const answer = await send(port, { ...publishing, body: '1\r\nx\r\n0\r\n\r\n', headers: [['Transfer-Encoding', 'gzip, chunked']] })
    expect(answer.status).toBe(400)
  })

  it('with an expectation that nobody knows is answered all the same, behind the guard', async () => {
    expect((await send(port, { ...publishing, headers: [['Expect', 'foo']] })).status).toBe(201)
    expect(
      (
        await send(port, {
          ...publishing,
          headers: [
            ['Expect', 'foo'],
            ['Origin', 'http://evil.example'],
          ],
        })
      ).status,
    ).toBe(403)
  })

  it('for * is answered to OPTIONS alone', async () => {
    expect((await send(port, { path: '*' })).status).toBe(400)
    expect((await send(port, { method: 'OPTIONS', path: '*' })).status).toBe(204)
  })
})
