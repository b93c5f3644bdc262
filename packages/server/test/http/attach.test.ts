import { makeCertificate } from '@fanfare/conformance'
import { once } from 'node:events'
import { createServer as createHttpServer, get } from 'node:http'
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
import { createServer as createHttpsServer, request as httpsRequest } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { afterEach, describe, expect, it } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { createServer } from '../../src/create-server.ts'
import type { FanfareServer } from '../../src/create-server.ts'
import type { AttachOptions, ServerOptions } from '../../src/options.ts'
import { expectProblem, poll, publish } from '../support/problems.ts'
import { closeRaw, openRaw } from '../support/raw-client.ts'
import { header, readAnswer, readHead, requestBytes, send, sendBytes, sendForHead } from '../support/raw-http.ts'
import { handshakeHeaders, openWebSocket } from '../support/raw-websocket.ts'
import { openSse } from '../support/sse-client.ts'

const open: FanfareServer[] = []
const listening: Server[] = []

afterEach(async () => {
  closeRaw()
  await Promise.all(open.splice(0).map(async (server) => await server.close()))
  for (const http of listening.splice(0)) {
    http.closeAllConnections()
    await new Promise((resolve) => http.close(resolve))
  }
})

async function fanfare(options: ServerOptions = {}): Promise<FanfareServer> {
  const server = await createServer({ engine: 'memory', ...options })
  open.push(server)
  return server
}

async function listen(http: Server): Promise<number> {
  listening.push(http)
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  return (http.address() as AddressInfo).port
}

/** What an application answers to anything: its own name and the path that it was asked for. */
const own: RequestListener = (req, res) => {
  req.resume()
  res.end(`own ${req.method} ${req.url}`)
}

async function beside(options: AttachOptions & { fanfare?: ServerOptions } = {}): Promise<{
  http: Server
  server: FanfareServer
  port: number
  detach: () => void
}> {
  const server = await fanfare(options.fanfare)
  const http = createHttpServer(own)
  const detach = server.attach(http, options)
  return { http, server, port: await listen(http), detach }
}

async function body(port: number, path: string, method = 'GET'): Promise<string> {
  return (await send(port, { method, path })).body.toString()
}

describe('beside the routes of an application', () => {
  it('answers its own addresses, and no others', async () => {
    const { port } = await beside()
    const published = await publish(port, 'a/b', 'words')
    expect((await poll(port, '/channels/a/b?since=earliest')).publications).toMatchObject([{ offset: published.offset, data: 'words' }])
    expectProblem(await send(port, { path: '/publish' }), 405, 'method-not-allowed')
    expectProblem(await send(port, { path: '/connect' }), 426, 'upgrade-required')
    expectProblem(await send(port, { path: '/presence/a' }), 501, 'not-available')
    expectProblem(await send(port, { path: '/subscribe' }), 400, 'parameter-invalid')
    for (const path of ['/', '/healthz', '/readyz', '/metrics', '/openapi.json', '/channels', '/publisher', '/subscribe/', '/x?y=/publish'])
      expect(await body(port, path)).toBe(`own GET ${path}`)
    expect(await body(port, '//channels/a')).toBe('own GET //channels/a')
    expect(await body(port, '*', 'OPTIONS')).toBe('own OPTIONS *')
  })

  it('is told of a request in absolute form, and leaves those of others alone', async () => {
    const { port } = await beside()
    await publish(port, 'absolute', 'x')
    const host = `127.0.0.1:${port}`
    expect((await send(port, { path: `http://${host}/channels/absolute?since=earliest` })).body.toString()).toContain('"data":"x"')
    expect(await body(port, `http://${host}/other`)).toBe(`own GET http://${host}/other`)
  })

  it('keeps its requests from listeners that were there before, and from those that come later', async () => {
    const server = await fanfare()
    const heard: string[] = []
    const listener =
      (name: string): RequestListener =>
      (req, res) => {
        heard.push(`${name} ${req.url}`)
        if (!res.writableEnded) res.writeHead(404).end(name)
      }
    const http = createHttpServer(listener('before'))
    server.attach(http)
    http.on('request', listener('after'))
    http.prependListener('request', listener('first'))
    const port = await listen(http)
    await publish(port, 'quiet', 'x')
    expect(heard).toEqual([])
    expect(await body(port, '/other')).toBe('first')
    expect(heard).toEqual(['first /other', 'before /other', 'after /other'])
  })

  it('stands below its prefix, and touches nothing outside of it', async () => {
    const { port } = await beside({ prefix: '/push' })
    const channel = { method: 'POST', path: '/push/channels/news', body: 'words' }
    expect((await send(port, channel)).status).toBe(201)
    expect(await body(port, '/push/channels/news?since=earliest')).toContain('"data":"words"')
    expect(await body(port, '/push/healthz')).toBe('{"status":"alive"}')
    expect(JSON.parse(await body(port, '/push/openapi.json'))).toMatchObject({ servers: [{ url: '/push' }] })
    const problem = expectProblem(await send(port, { path: '/push/nothing' }), 404, 'address-unknown')
    expect(problem.detail).toContain('/push/channels/{channel}')
    for (const path of ['/', '/healthz', '/channels/news', '/publish', '/pushy', '/pushy/channels/a', '/a/push/healthz'])
      expect(await body(port, path)).toBe(`own GET ${path}`)
  })

  it('sends who comes to the prefix itself to the page below it', async () => {
    const { port } = await beside({ prefix: '/push/' })
    const answer = await fetch(`http://127.0.0.1:${port}/push?channel=a`, { redirect: 'manual' })
    expect([answer.status, answer.headers.get('location')]).toEqual([308, '/push/?channel=a'])
    const page = await fetch(`http://127.0.0.1:${port}/push/`)
    expect([page.status, (await page.text()).length > 0]).toEqual([200, true])
  })

  it('keeps the order of publishes that a client sends ahead, below a prefix too', async () => {
    const { port } = await beside({ prefix: '/push' })
    const connection = await openRaw(port)
    const posts = ['1', '2', '3'].map((data) => requestBytes(port, { method: 'POST', path: '/push/channels/ahead', body: data }))
    connection.send(Buffer.concat(posts))
    for (const offset of [1, 2, 3]) {
      const answer = JSON.parse((await readAnswer(connection, 'POST')).body.toString()) as { offset: number }
      expect(answer.offset).toBe(offset)
    }
    expect(await body(port, '/push/channels/ahead?since=earliest')).toMatch(/"data":"1".*"data":"2".*"data":"3"/)
  })

  it('answers all where the application listens for no requests: nobody else would', async () => {
    const server = await fanfare()
    const http = createHttpServer()
    server.attach(http, { prefix: '/push' })
    const port = await listen(http)
    expectProblem(await send(port, { path: '/other' }), 404, 'address-unknown')
    const whole = await fanfare()
    const bare = createHttpServer()
    whole.attach(bare)
    const barePort = await listen(bare)
    expect(await body(barePort, '/healthz')).toBe('{"status":"alive"}')
    bare.on('request', own)
    expect(await body(barePort, '/healthz')).toBe('own GET /healthz')
  })

  it('guards its own addresses as the command does, and none of the application', async () => {
    const { port } = await beside({ fanfare: { hosts: ['push.example.com'], origins: ['https://app.example.com'] } })
    const ask = (path: string, ...headers: [string, string][]) => send(port, { path, headers })
    expectProblem(await ask('/channels/a', ['Host', 'evil.example']), 403, 'host-refused')
    expectProblem(await ask('/channels/a', ['Host', 'push.example.com'], ['Origin', 'https://evil.example']), 403, 'origin-refused')
    expect((await ask('/channels/a', ['Host', 'push.example.com'], ['Origin', 'https://app.example.com'])).status).toBe(200)
    const foreign = await ask('/other', ['Host', 'evil.example'], ['Origin', 'https://evil.example'])
    expect([foreign.status, header(foreign, 'access-control-allow-origin')]).toEqual([200, undefined])
    await expect(openWebSocket(port, '/channels/a', [['Origin', 'https://evil.example']])).rejects.toThrow(/403/)
  })

  it('publishes from a handler of the application to who receives over its server', async () => {
    const server = await fanfare()
    const http = createHttpServer((req, res) => {
      void server.publish('orders', { path: req.url }).then(({ offset, cursor }) => res.end(JSON.stringify({ offset, cursor })))
    })
    server.attach(http)
    const port = await listen(http)
    const events = await openSse(port, '/channels/orders')
    expect((await events.next()).event).toBe('fanfare.ready')
    const answer = JSON.parse(await body(port, '/buy')) as { offset: number; cursor: string }
    const event = await events.next()
    expect([event.data, event.id]).toEqual(['{"path":"/buy"}', answer.cursor])
    expect(answer.offset).toBe(1)
  })

  it('works inside a server of node:https', async () => {
    const server = await fanfare()
    const certificate = makeCertificate()
    const http = createHttpsServer(certificate, own)
    server.attach(http)
    const port = await listen(http)
    const asked = async (path: string): Promise<string> => {
      const request = httpsRequest({ port, path, ca: certificate.cert, host: 'localhost', agent: false })
      const [answer] = (await once(request.end(), 'response')) as [IncomingMessage]
      const parts = await answer.toArray()
      return Buffer.concat(parts as Buffer[]).toString()
    }
    await server.publish('secure', 'x')
    expect(await asked('/channels/secure?since=earliest')).toContain('"data":"x"')
    expect(await asked('/other')).toBe('own GET /other')
  })
})

describe('bodies and expectations', () => {
  it('bounds its own bodies, and not those of the application', async () => {
    const { port } = await beside({ fanfare: { limits: { bodyMs: 300, payloadBytes: 100 } } })
    expectProblem(await send(port, { method: 'POST', path: '/channels/a', body: 'x'.repeat(101) }), 413, 'payload-too-large')
    expect((await send(port, { method: 'POST', path: '/other', body: 'x'.repeat(101) })).status).toBe(200)
    const slow = await openRaw(port)
    slow.send(`POST /channels/a HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Length: 10\r\n\r\nhalf`)
    expectProblem(await readAnswer(slow, 'POST'), 408, 'request-timeout')
  })

  it('asks for a body only where it wants it, and lets the application do as node does', async () => {
    const { http, port } = await beside({ fanfare: { limits: { payloadBytes: 100 } } })
    const expecting = async (path: string, length: number) => {
      const connection = await openRaw(port)
      const fields = `Host: 127.0.0.1:${port}\r\nExpect: 100-continue\r\nContent-Length: ${length}`
      connection.send(`POST ${path} HTTP/1.1\r\n${fields}\r\n\r\n`)
      const head = await readHead(connection)
      if (head.status !== 100) return head.status
      connection.send('x'.repeat(length))
      return [100, (await readAnswer(connection, 'POST')).status]
    }
    expect(await expecting('/channels/a', 50)).toEqual([100, 201])
    expect(await expecting('/channels/a', 500)).toBe(413)
    expect(await expecting('/other', 500)).toEqual([100, 200])
    http.on('checkContinue', (req, res) => {
      req.resume()
      res.writeHead(402).end()
    })
    expect(await expecting('/other', 500)).toBe(402)
    expect(await expecting('/channels/a', 50)).toEqual([100, 201])
  })

  it('leaves other expectations to the application, or to what node answers', async () => {
    const { http, port } = await beside()
    const expecting = async (path: string) => (await send(port, { path, headers: [['Expect', 'wonders']] })).status
    expect([await expecting('/channels/a'), await expecting('/other')]).toEqual([200, 417])
    http.on('checkExpectation', (_req, res) => res.writeHead(202).end())
    expect([await expecting('/channels/a'), await expecting('/other')]).toEqual([200, 202])
  })
})

describe('upgrades', () => {
  it('come beside a WebSocket server of the application, whichever was there first', async () => {
    const server = await fanfare()
    const http = createHttpServer(own)
    const before = new WebSocketServer({ server: http, path: '/chat' })
    server.attach(http)
    const port = await listen(http)
    before.on('connection', (socket) => socket.send('chat'))
    const ours = await openWebSocket(port, '/channels/a')
    const theirs = new WebSocket(`ws://127.0.0.1:${port}/chat`)
    expect(String(((await once(theirs, 'message')) as [Buffer])[0])).toBe('chat')
    await server.publish('a', 'x')
    expect((await ours.readMessage()).payload.toString()).toBe('x')
    // `ws` refuses what isn't on its path.
    await expect(openWebSocket(port, '/nothing')).rejects.toThrow(/400/)
    await openWebSocket(port, '/connect')
    before.close()
    for (const client of before.clients) client.terminate()
  })

  it('that the application does not listen for are requests to it, as without Fanfare', async () => {
    const { port } = await beside()
    const answer = await send(port, { path: '/page', headers: handshakeHeaders() })
    expect(answer.body.toString()).toBe('own GET /page')
    // As curl --http2 and Java's HttpClient do.
    const offer = `Host: 127.0.0.1:${port}\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk`
    const offering = (path: string) => sendBytes(port, `POST ${path} HTTP/1.1\r\n${offer}\r\nContent-Length: 3\r\n\r\nx=1`, 'POST')
    expect((await offering('/form')).body.toString()).toBe('own POST /form')
    expect((await offering('/channels/a')).status).toBe(201)
  })

  it('that nobody takes are refused', async () => {
    const server = await fanfare()
    const http = createHttpServer()
    server.attach(http)
    const port = await listen(http)
    expectProblem(await send(port, { path: '/nothing', headers: handshakeHeaders() }), 404, 'address-unknown')
  })

  it('that listeners of the application pass over are refused after a while; what one takes is not', async () => {
    const { http, port } = await beside({ fanfare: { limits: { headersMs: 300 } } })
    const taken: Duplex[] = []
    http.on('upgrade', (req: IncomingMessage, socket: Duplex) => {
      if (req.url === '/nothing') return
      taken.push(socket)
      if (req.url === '/own') socket.on('data', (data: Buffer) => socket.write(data))
      else socket.write('one word')
    })
    const [mine, told] = [await openRaw(port), await openRaw(port)]
    mine.send(requestBytes(port, { path: '/own', headers: handshakeHeaders() }))
    told.send(requestBytes(port, { path: '/told', headers: handshakeHeaders() }))
    await told.until('a word', (pending) => (pending.length === 8 ? pending : undefined))
    // It comes last, so that the time of the others is over too.
    expectProblem(await send(port, { path: '/nothing', headers: handshakeHeaders() }), 404, 'address-unknown')
    mine.send('still here')
    expect(await mine.until('an echo', (pending) => (pending.length === 10 ? pending.toString() : undefined))).toBe('still here')
    expect([told.ended, told.pending.toString()]).toEqual([false, 'one word'])
    for (const socket of taken) socket.destroy()
  })

  it('behind an answer of ours that is still to come end the connection', async () => {
    const { http, port } = await beside()
    let heard = 0
    http.on('upgrade', (_req: IncomingMessage, socket: Duplex) => {
      heard++
      socket.end('HTTP/1.1 101 Switching Protocols\r\n\r\n')
    })
    const connection = await openRaw(port)
    const held = requestBytes(port, { path: '/channels/a?wait=20' })
    connection.send(Buffer.concat([held, requestBytes(port, { path: '/own', headers: handshakeHeaders() })]))
    expect((await connection.untilEnd()).toString()).toBe('')
    expect(heard).toBe(0)
  })
})

describe('behind a stream', () => {
  it('no answer of the application gets into it', async () => {
    const { http, port } = await beside()
    const heard: string[] = []
    http.on('request', (req) => heard.push(req.url ?? ''))
    for (const path of ['/other', '/channels/a']) {
      const connection = await openRaw(port)
      connection.send(requestBytes(port, { path: '/channels/a', headers: [['Accept', 'text/event-stream']] }))
      await readHead(connection)
      connection.send(requestBytes(port, { path }))
      expect((await connection.untilEnd()).toString()).not.toMatch(/own|HTTP/)
    }
    const broken = await openRaw(port)
    broken.send(requestBytes(port, { path: '/channels/a?transport=stream' }))
    await readHead(broken)
    broken.send('no HTTP at all\r\n\r\n')
    expect((await broken.untilEnd()).toString()).not.toContain('HTTP')
    expect(heard).toEqual([])
  })
})

describe('taking it away', () => {
  /** The function itself, to compare it or to put it back. */
  const emitOf = (http: Server) => Reflect.get<Server, 'emit'>(http, 'emit')

  it('gives back all listeners, and twice is once', async () => {
    const { http, port, detach, server } = await beside()
    const watched = emitOf(http)
    detach()
    detach()
    expect(emitOf(http)).not.toBe(watched)
    expect(Object.hasOwn(http, 'emit')).toBe(false)
    expect(['request', 'upgrade', 'checkContinue', 'checkExpectation'].map((event) => http.listenerCount(event))).toEqual([1, 0, 0, 0])
    expect(await body(port, '/channels/a')).toBe('own GET /channels/a')
    server.attach(http)
    expect((await send(port, { path: '/channels/a' })).body.toString()).toContain('"cursor"')
  })

  it.each(['before', 'after'])('gives what comes behind an answer without end to nobody, where that began %s it', async (begins) => {
    const server = await fanfare()
    const slow: ServerResponse[] = []
    const http = createHttpServer((req, res) => (req.url === '/slow' ? slow.push(res) : own(req, res)))
    const detach = server.attach(http)
    const port = await listen(http)
    const stream = await openRaw(port)
    const asked = requestBytes(port, { path: '/channels/a?transport=stream' })
    if (begins === 'after') {
      stream.send(Buffer.concat([requestBytes(port, { path: '/slow' }), asked]))
      await expect.poll(() => slow.length).toBe(1)
    } else {
      stream.send(asked)
      await readHead(stream)
    }
    detach()
    slow[0]?.end()
    await expect.poll(() => server.node.counters.receivers).toBe(1)
    await server.publish('a', 'after')
    await expect.poll(() => stream.pending.toString()).toContain('after')
    stream.send(requestBytes(port, { path: '/other' }))
    await stream.untilEnd()
    expect(stream.pending.toString()).not.toContain('own GET')
    expect(await body(port, '/other')).toBe('own GET /other')
    await expect.poll(() => Object.hasOwn(http, 'emit')).toBe(false)
  })

  it('goes with an emit that somebody else has put before or behind it', async () => {
    const server = await fanfare()
    const http = createHttpServer(own)
    const heard: string[] = []
    const first = http.emit.bind(http)
    http.emit = ((event: string, ...args: [unknown]) => (heard.push(`first ${event}`), first(event, ...args))) as typeof http.emit
    const before = emitOf(http)
    const detach = server.attach(http)
    const passing = emitOf(http)
    const between = passing.bind(http)
    const after = ((event: string, ...args: [unknown]) => (heard.push(`last ${event}`), between(event, ...args))) as typeof http.emit
    http.emit = after
    const port = await listen(http)
    heard.length = 0
    await publish(port, 'a', 'x')
    expect(await body(port, '/other')).toBe('own GET /other')
    expect(heard.filter((line) => line.endsWith('request'))).toEqual(['last request', 'last request', 'first request'])
    detach()
    expect(emitOf(http)).toBe(after)
    expect(await body(port, '/channels/a')).toBe('own GET /channels/a')
    http.emit = passing
    const again = server.attach(http)
    expect(await body(port, '/channels/a?since=earliest')).toContain('"data":"x"')
    again()
    expect(emitOf(http)).toBe(before)
  })

  it('stands twice on one server below two prefixes, the longer first', async () => {
    const [one, two] = [await fanfare(), await fanfare()]
    const http = createHttpServer(own)
    const detach = one.attach(http, { prefix: '/a' })
    two.attach(http, { prefix: '/a/b' })
    expect(() => two.attach(http, { prefix: '/a' })).toThrow(/already: \/a/)
    const port = await listen(http)
    await one.publish('c', 'one')
    await two.publish('c', 'two')
    expect(await body(port, '/a/channels/c?since=earliest')).toContain('"one"')
    expect(await body(port, '/a/b/channels/c?since=earliest')).toContain('"two"')
    detach()
    expect(await body(port, '/a/channels/c')).toBe('own GET /a/channels/c')
    expect(await body(port, '/a/b/channels/c?since=earliest')).toContain('"two"')
  })

  it.each(['push', '/push?', '/a//b', '/../a', '/a/./b', '/', '/ü', '/a b', '/%61'])('refuses the prefix %j', async (prefix) => {
    const server = await fanfare()
    expect(() => server.attach(createHttpServer(), { prefix })).toThrow(/prefix is a path such as \/push/)
  })

  it('refuses what is no server of node', async () => {
    const server = await fanfare()
    expect(() => server.attach(own as never)).toThrow(/app\.listen\(\)/)
    expect(() => server.attach(createHttp2Server() as never)).toThrow(/node:http or node:https/)
    await server.close()
    expect(() => server.attach(createHttpServer())).toThrow(/closed/)
  })
})

describe('closing', () => {
  it('ends what is ours and leaves the rest of the application alone', async () => {
    const server = await fanfare()
    const http = createHttpServer((req, res) => {
      if (req.url === '/endless') res.write('own')
      else own(req, res)
    })
    server.attach(http)
    const port = await listen(http)
    const [idle, endless] = [await openRaw(port), await openRaw(port)]
    idle.send(requestBytes(port, { path: '/channels/a' }))
    await readAnswer(idle, 'GET')
    endless.send(requestBytes(port, { path: '/endless' }))
    await readHead(endless)
    const events = await openSse(port, '/channels/a')
    await events.next()
    const socket = await openWebSocket(port, '/connect')
    const held = await openRaw(port)
    held.send(requestBytes(port, { path: '/channels/a?wait=50' }))
    await expect.poll(() => server.node.counters.receivers).toBe(2)
    const closing = server.close()
    await expect(events.next()).rejects.toThrow(/ended/)
    expect((await readAnswer(held, 'GET')).status).toBe(200)
    expect((await socket.closed()).code).toBe(1012)
    await closing
    idle.send(requestBytes(port, { path: '/channels/a' }))
    expect((await readAnswer(idle, 'GET')).body.toString()).toBe('own GET /channels/a')
    expect([endless.ended, http.listening]).toEqual([false, true])
    expect(Object.hasOwn(http, 'emit')).toBe(false)
  })

  it('cuts receivers of ours that do not end by themselves, and no connection of the application', async () => {
    const { http, port, server } = await beside({ fanfare: { limits: { drainMs: 400 } } })
    http.on('request', (req, res) => (req.url === '/wait' ? res.write('…') : undefined))
    const deaf = await openWebSocket(port, '/connect')
    deaf.connection.pause()
    const half = await openRaw(port)
    half.send(`POST /channels/a HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Length: 10\r\n\r\nhalf`)
    await expect.poll(async () => (await sendForHead(port, { path: '/channels/a' })).status).toBe(200)
    const begun = performance.now()
    await server.close()
    expect(performance.now() - begun).toBeLessThan(3000)
    await half.untilEnd()
    deaf.connection.resume()
    await deaf.connection.untilEnd()
    expect(await body(port, '/other')).toBe('own GET /other')
  })

  it('lets the server of the application close afterwards', async () => {
    const { http, port, server } = await beside()
    const events = await openSse(port, '/channels/a')
    await events.next()
    await server.close()
    const closed = once(http, 'close')
    http.close()
    await closed
    await expect(new Promise((_, reject) => get({ port, path: '/' }).on('error', reject))).rejects.toThrow(/ECONNREFUSED/)
  })
})
