import { FanfareError } from '@fanfare/wire'
import type { ErrorCode } from '@fanfare/wire'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createServer } from '../../src/create-server.ts'
import type { Engine } from '../../src/engines/engine.ts'
import { openMemoryEngine } from '../../src/engines/memory-engine.ts'
import { wrapEngine } from '../../src/engines/wrap-engine.ts'
import { publish } from '../support/problems.ts'
import { description, resolve, seen } from '../support/openapi.ts'
import { closeRaw, openRaw } from '../support/raw-client.ts'
import { readAnswer, requestBytes, send, sendForHead } from '../support/raw-http.ts'
import type { RawRequest } from '../support/raw-http.ts'
import { handshakeHeaders } from '../support/raw-websocket.ts'
import { startServer } from '../support/start-server.ts'
import type { TestServer } from '../support/start-server.ts'

// The other way round: each answer that openapi.json names is provoked here. The clients check each against its description.

/** What can't be provoked, and why. */
const unseen: Readonly<Record<string, string>> = {
  'default 408': 'where the head itself is late nobody knows the operation; bad-timing.test.ts sees it',
}

let failing: FanfareError | undefined
let server: TestServer
let port: number

/** Every call of it that answers a request fails, where one is to. */
async function failingEngine(...[options]: Parameters<typeof openMemoryEngine>): Promise<Engine> {
  const engine = await openMemoryEngine(options)
  const unlessFailing = async <T>(call: () => Promise<T>): Promise<T> => await (failing === undefined ? call() : Promise.reject(failing))
  return wrapEngine(engine, {
    append: (request) => unlessFailing(() => engine.append(request)),
    read: (channel, after, through) => unlessFailing(() => engine.read(channel, after, through)),
    facts: (channel) => unlessFailing(() => engine.facts(channel)),
  })
}

beforeAll(async () => {
  server = await startServer({
    engine: failingEngine,
    transports: 'all',
    limits: { pagesBytes: 1, bodyMs: 200, headersBytes: 4096, headersMs: 400 },
    rules: [{ match: 'short', keep: { publications: 1 } }, { match: '**' }],
  })
  port = server.port
})
afterEach(closeRaw)
afterAll(async () => await server.close())

const json: RawRequest['headers'] = [['Content-Type', 'application/json']]
const packed: RawRequest['headers'] = [['Content-Encoding', 'gzip']]
const elsewhere: RawRequest['headers'] = [['Host', 'elsewhere.example']]
const keyed: RawRequest['headers'] = [['Idempotency-Key', 'k']]

const post: RawRequest = { method: 'POST', path: '/channels/a', body: 'x' }
const batch: RawRequest = { method: 'POST', path: '/publish', headers: json, body: '[{"channel":"a","data":1}]' }
const subscribe: RawRequest = { method: 'POST', path: '/subscribe', headers: json, body: '{"channels":["a"]}' }
const receive: RawRequest = { path: '/channels/a' }
const several: RawRequest = { path: '/subscribe?channel=a&channel=b' }
const wrongNames = ['/channels/a%20b', '/presence/a%20b']

/** Requests whose answers are checked as they are read. */
async function all(...requests: readonly RawRequest[]): Promise<void> {
  for (const request of requests) await sendForHead(port, request)
}

/** One whose body never ends. */
async function late(request: RawRequest): Promise<void> {
  const connection = await openRaw(port)
  connection.send(requestBytes(port, { ...request, headers: [...(request.headers ?? []), ['Content-Length', '100']] }))
  await readAnswer(connection, 'POST')
}

const withQuery = (request: RawRequest, query: string): RawRequest => ({
  ...request,
  path: `${request.path}${request.path.includes('?') ? '&' : '?'}${query}`,
})
const receivers: readonly RawRequest[] = [receive, several, subscribe]

describe('what openapi.json names', () => {
  it('is answered to good requests', async () => {
    await all(post, batch, { method: 'HEAD', path: '/channels/a' }, { method: 'DELETE', path: '/channels/a' })
    await all(...['/healthz', '/readyz', '/metrics', '/openapi.json', '/'].map((path) => ({ path })))
    await all({ path: '/', headers: [['Accept', 'text/html']] })
    for (const path of ['/channels/a', '/subscribe?channel=a&channel=b', '/connect']) await all({ path, headers: handshakeHeaders() })
  })

  it.each(['poll', 'long-poll&wait=0', 'sse', 'stream', 'multipart', 'iframe&callback=f', 'jsonp&callback=f'])(
    'is answered over %s',
    async (name) => {
      await publish(port, 'a', 'x')
      await all(...receivers.map((request) => withQuery(request, `since=earliest&transport=${name}`)))
    },
  )

  it('is answered to bad requests', async () => {
    await all({ ...post, path: '/channels/a%20b' }, { ...batch, body: '{' }, { ...subscribe, body: '{' })
    await all(...wrongNames.map((path) => ({ path })), { path: '/subscribe' }, { path: '/presence/a' })
    await all({ method: 'DELETE', path: '/channels/a%20b' }, { method: 'HEAD', path: '/channels/a%20b' })
    await all({ path: '/connect', headers: handshakeHeaders({ 'Sec-WebSocket-Key': 'short' }) })
    await all(...receivers.map((request) => withQuery(request, 'transport=websocket')), { path: '/connect' })
    await all(...[post, batch, subscribe].map((request) => ({ ...request, headers: [...(request.headers ?? []), ...(packed ?? [])] })))
    await all({ ...post, body: 'x'.repeat(70_000) }, { ...batch, body: ' '.repeat(4_300_000) }, { ...subscribe, body: ' '.repeat(300_000) })
    for (const request of [post, batch, subscribe]) await late(request)
  })

  it('is answered to those that come from where they may not', async () => {
    const everything: readonly RawRequest[] = [post, batch, ...receivers, { path: '/connect' }, { path: '/presence/a' }]
    await all(...everything.map((request) => ({ ...request, headers: [...(request.headers ?? []), ...(elsewhere ?? [])] })))
    await all(...['HEAD', 'DELETE'].map((method) => ({ method, path: '/channels/a', headers: elsewhere })))
  })

  it('is answered to what contradicts something before', async () => {
    await all({ ...post, headers: keyed }, { ...post, headers: keyed, body: 'y' })
    const other = '[{"channel":"a","data":2}]'
    await all({ ...batch, headers: [...json, ...keyed] }, { ...batch, headers: [...json, ...keyed], body: other })
    const { cursor } = await publish(port, 'a', 'x')
    await all({ method: 'DELETE', path: '/channels/a' })
    await all(...receivers.map((request) => withQuery(request, `since=${cursor}&onGap=stop`)))
  })

  it.each([
    ['storage-failed', [post, batch, ...receivers.map((one) => withQuery(one, 'since=earliest'))]],
    [
      'storage-failed',
      [
        { method: 'HEAD', path: '/channels/a' },
        { method: 'DELETE', path: '/channels/a' },
      ],
    ],
    ['storage-full', [post, { ...batch, path: '/publish?atomic=1' }, { method: 'DELETE', path: '/channels/a' }]],
    ['idempotency-full', [post, { ...batch, path: '/publish?atomic=1' }]],
    ['storage-failed', [{ ...batch, path: '/publish?atomic=1' }]],
  ] satisfies [ErrorCode, RawRequest[]][])('is answered while the store says %s', async (code, requests) => {
    await publish(port, 'a', 'x')
    failing = new FanfareError(code, 'as the test wants it')
    await all(...requests)
    failing = undefined
  })

  it('is answered to any request', async () => {
    failing = undefined
    await all({ ...receive, headers: [['X', 'x'.repeat(5000)]] })
    for (const path of ['/healthz', '/'])
      await all({ path, headers: elsewhere }, { path, headers: [['Transfer-Encoding', 'gzip, chunked']] })
    failing = new FanfareError('internal', 'as the test wants it')
    await all(post)
    failing = undefined
  })

  it('is answered while the server goes down', async () => {
    const going = await createServer({ engine: 'memory', listen: '127.0.0.1:0' })
    const at = Number(new URL(await going.listen()).port)
    const idle = await Promise.all(['/readyz', '/connect', '/'].map(async (path) => ({ path, connection: await openRaw(at) })))
    for (const { connection } of idle) {
      connection.send(requestBytes(at, { path: '/healthz' }))
      await readAnswer(connection, 'GET')
    }
    // A publish that is under way holds the end up.
    const held = await openRaw(at)
    const whole = requestBytes(at, {
      ...post,
      headers: [
        ['Expect', '100-continue'],
        ['Content-Length', '1'],
      ],
    })
    held.send(whole.subarray(0, -1))
    await held.until('100 Continue', (pending) => (pending.includes('100 Continue') ? true : undefined))
    const closing = going.close()
    for (const { path, connection } of idle) {
      connection.send(requestBytes(at, { path, headers: path === '/connect' ? handshakeHeaders() : [['Accept', 'text/html']] }))
      expect((await readAnswer(connection, 'GET')).status).toBe(503)
    }
    held.send(whole.subarray(-1))
    await closing
  })

  it('was all seen, but for what is listed with its reason', async () => {
    await send(port, { path: '/healthz' })
    const named = Object.values(description.paths)
      .flatMap((item) => Object.entries(item).filter(([method]) => method !== 'parameters'))
      .flatMap(([, { operationId, responses }]) =>
        Object.entries(responses)
          .filter(([status]) => status !== 'default')
          .flatMap(([status, response]) => {
            const types = Object.keys(resolve(response).content ?? {})
            return types.length === 0 ? [`${operationId} ${status}`] : types.map((type) => `${operationId} ${status} ${type}`)
          }),
      )
    const common = resolve(description.paths['/healthz']?.['get']?.responses['default'] ?? {})['x-statuses'] ?? []
    const missing = [...named, ...common.map((status) => `default ${status}`)].filter((name) => !seen.has(name))
    expect(missing.sort()).toEqual(Object.keys(unseen).sort())
  })
})
