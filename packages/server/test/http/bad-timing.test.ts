import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { countOf, expectProblem, innards, poll, publish, receivers } from '../support/problems.ts'
import { closeRaw, openRaw } from '../support/raw-client.ts'
import type { RawConnection } from '../support/raw-client.ts'
import { header, readAnswer, readHead, requestBytes, send } from '../support/raw-http.ts'
import { handshakeHeaders, tryHandshake } from '../support/raw-websocket.ts'
import { startServer } from '../support/start-server.ts'
import type { TestServer } from '../support/start-server.ts'

// What never arrives, and upgrades that are none (CONTRACT section 9): an answer where there can be one, and the socket is destroyed.

let server: TestServer
let port: number

beforeAll(async () => {
  server = await startServer({ limits: { headersMs: 400, bodyMs: 800 } })
  port = server.port
})
afterAll(async () => await server.close())
afterEach(closeRaw)

/** The server says 408 or nothing, and ends the connection in good time. */
async function expectTimeout(connection: RawConnection): Promise<string> {
  const said = (await connection.untilEnd('the end of a connection on which nothing came')).toString()
  if (said !== '') expect(said).toMatch(/^HTTP\/1\.1 408 /)
  expect(said).not.toMatch(innards)
  return said
}

describe('headers that never arrive', () => {
  it.each([
    ['a request line without end', 'GET /channels/a'],
    ['headers without end', 'GET /channels/a HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: '],
    ['a publish without end', 'POST /channels/a HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Le'],
    [
      'an upgrade that is never finished',
      'GET /channels/a HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-',
    ],
  ])('get 408 and the end: %s', async (_what, begin) => {
    const connection = await openRaw(port)
    connection.send(begin)
    expect(await expectTimeout(connection)).toMatch(/^HTTP\/1\.1 408 /)
  })

  it('a connection that says nothing at all is ended too', async () => {
    await expectTimeout(await openRaw(port))
  })

  it('nor does a byte now and then help', async () => {
    const connection = await openRaw(port)
    connection.send('GET /channels/a HTTP/1.1\r\nX: ')
    const dribble = setInterval(() => connection.send('x'), 50)
    try {
      await expectTimeout(connection)
    } finally {
      clearInterval(dribble)
    }
  })

  it('others are answered meanwhile', async () => {
    const silent = await Promise.all(Array.from({ length: 100 }, async () => await openRaw(port)))
    for (const connection of silent) connection.send('GET /')
    await publish(port, 'meanwhile', 'x')
    expect((await poll(port, '/channels/meanwhile?last=1')).publications).toHaveLength(1)
    await Promise.all(silent.map(expectTimeout))
  })
})

describe('a body that never arrives', () => {
  it.each([
    ['POST', '/channels/bodies', 'Content-Length: 10\r\n\r\nhalf'],
    ['POST', '/channels/bodies', 'Content-Length: 10\r\n\r\n'],
    ['POST', '/channels/bodies', 'Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n'],
    ['POST', '/publish', 'Content-Type: application/json\r\nContent-Length: 100\r\n\r\n[{"channel":"bodies","data":1},'],
    ['POST', '/subscribe', 'Content-Length: 100\r\n\r\n{"channels":'],
  ])('gets 408 and the end: %s %s %j', async (method, path, rest) => {
    const connection = await openRaw(port)
    connection.send(`${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n${rest}`)
    expect((await readHead(connection)).status).toBe(408)
    await connection.untilEnd()
    expect(await countOf(port, 'bodies')).toBe(0)
  })

  it('nor does a byte now and then help', async () => {
    const connection = await openRaw(port)
    connection.send(`POST /channels/bodies HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Length: 60000\r\n\r\n`)
    const dribble = setInterval(() => connection.send('x'), 50)
    try {
      expect((await readHead(connection)).status).toBe(408)
      await connection.untilEnd()
    } finally {
      clearInterval(dribble)
    }
    expect(await countOf(port, 'bodies')).toBe(0)
  })

  it('that breaks off stores nothing', async () => {
    const connection = await openRaw(port)
    await connection.sent(Buffer.from(`POST /channels/bodies HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Length: 10\r\n\r\nhalf`))
    connection.reset()
    expect(await countOf(port, 'bodies')).toBe(0)
  })

  it('does not cut those that take long for other reasons: a long poll, a stream', async () => {
    const { cursor } = await publish(port, 'slow', 'x')
    const held = await openRaw(port)
    held.send(requestBytes(port, { path: `/channels/slow?since=${cursor}&wait=2` }))
    const stream = await openRaw(port)
    stream.send(requestBytes(port, { path: '/channels/slow?transport=sse' }))
    expect((await readHead(stream)).status).toBe(200)
    const answer = await readAnswer(held, 'GET')
    expect([answer.status, JSON.parse(answer.body.toString())]).toMatchObject([200, { cursor, publications: [] }])
    expect(stream.ended).toBe(false)
  })
})

describe('an upgrade that is none', () => {
  it.each([
    ['without Host', '/channels/a', { Host: null }, 'HTTP/1.1', [400]],
    ['over HTTP/1.0', '/channels/a', {}, 'HTTP/1.0', [400, 426, 505]],
    ['over HTTP/1.0 without Host', '/channels/a', { Host: null }, 'HTTP/1.0', [400, 426, 505]],
    ['to a wrong address', '/nowhere', {}, 'HTTP/1.1', [404]],
    ['to the publish address', '/publish', {}, 'HTTP/1.1', [400, 404, 405]],
    ['to the health address', '/healthz', {}, 'HTTP/1.1', [400, 404, 405]],
    ['to no channel', '/channels/', {}, 'HTTP/1.1', [400, 404]],
    ['to a bad channel', '/channels/a//b', {}, 'HTTP/1.1', [400]],
    ['to many channels that are none', '/subscribe', {}, 'HTTP/1.1', [400]],
    ['to another protocol', '/channels/a', { Upgrade: 'h2c' }, 'HTTP/1.1', [200, 400, 426]],
    ['to an address that escapes', '/channels/../connect', {}, 'HTTP/1.1', [400, 404]],
    ['to an absolute address of another host', 'http://evil.example/channels/a', {}, 'HTTP/1.1', [400, 403, 404]],
  ] as const)('%s is refused and the socket destroyed', async (_what, path, changes, version, statuses) => {
    const headers = 'Host' in changes ? [...handshakeHeaders(), ['Host', null] as const] : handshakeHeaders(changes)
    const answer = await tryHandshake(port, path, headers, { version })
    expect(statuses).toContain(answer.status)
    expect(answer.body.toString()).not.toMatch(innards)
    if (answer.status >= 400 && answer.body.length > 0) expectProblem(answer, answer.status)
    if (answer.status === 200) return
    expect(header(answer, 'connection')?.toLowerCase()).toBe('close')
    await answer.connection.untilEnd()
  })

  it.each([
    ['/channels/other', 'h2c'],
    ['/channels/other?wait=60', 'h2c'],
    ['/channels/other?transport=sse', 'h2c'],
    ['/channels/other', 'websocke~t'],
    ['/subscribe?channel=a&channel=b', 'TLS/1.0'],
  ])('is answered without it, and holds nothing when its client goes: %s, Upgrade: %s', async (path, protocol) => {
    for (const goes of ['ends', 'resets', 'ends at once'] as const) {
      const connection = await openRaw(port)
      connection.send(
        requestBytes(port, {
          path,
          headers: [
            ['Connection', 'Upgrade'],
            ['Upgrade', protocol],
          ],
        }),
      )
      if (goes === 'ends at once') connection.end()
      // Nothing else says that the server has read the request: another connection is answered behind it.
      await poll(port, '/channels/other')
      if (goes === 'ends') connection.end()
      if (goes === 'resets') connection.reset()
      await expect.poll(async () => await receivers(port)).toBe(0)
      connection.close()
    }
  })

  it('is answered without it: a publish, a poll, a stream', async () => {
    const offer = [
      ['Connection', 'Upgrade, HTTP2-Settings'],
      ['Upgrade', 'h2c'],
      ['HTTP2-Settings', 'AAMAAABkAAQCAAAAAAIAAAAA'],
    ] as const
    expect((await send(port, { method: 'POST', path: '/channels/offered', headers: offer, body: 'x'.repeat(60_000) })).status).toBe(201)
    const answer = await send(port, { path: '/channels/offered?since=earliest', headers: offer })
    expect([answer.status, (JSON.parse(answer.body.toString()) as { publications: unknown[] }).publications.length]).toEqual([200, 1])
    const stream = await openRaw(port)
    stream.send(requestBytes(port, { path: '/channels/offered?transport=sse', headers: offer }))
    expect((await readHead(stream)).status).toBe(200)
    await publish(port, 'offered', 'over the stream')
    await stream.until('the publication', (pending) => (pending.includes('data: over the stream\n') ? true : undefined))
  })

  it('is answered without it where the body comes later, in pieces', async () => {
    const connection = await openRaw(port)
    const headers = [
      ['Connection', 'Upgrade'],
      ['Upgrade', 'h2c'],
      ['Content-Length', '6'],
    ] as const
    connection.send(requestBytes(port, { method: 'POST', path: '/channels/offered-late', headers }))
    for (const piece of ['abc', 'def']) {
      // Another connection is answered behind what was sent: the server has read it.
      await poll(port, '/channels/other')
      connection.send(Buffer.from(piece))
    }
    expect((await readHead(connection)).status).toBe(201)
    expect((await poll(port, '/channels/offered-late?since=earliest')).publications.map(({ data }) => data)).toEqual(['abcdef'])
    await connection.untilEnd()
  })

  it('leaves the server as it was', async () => {
    await publish(port, 'after-upgrades', 'x')
    expect((await send(port, { path: '/healthz' })).status).toBe(200)
  })
})
