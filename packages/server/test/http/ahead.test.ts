import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { poll, receivers } from '../support/problems.ts'
import { closeRaw, openRaw } from '../support/raw-client.ts'
import { readAnswer, readHead, requestBytes, send } from '../support/raw-http.ts'
import type { RawRequest } from '../support/raw-http.ts'
import { handshakeHeaders, text } from '../support/raw-websocket.ts'
import { startServer } from '../support/start-server.ts'
import type { TestServer } from '../support/start-server.ts'

// Requests that are sent ahead of the answers before them on one connection (RFC 9112, section 9.3.2): answered in their order, and those that change
// something are carried out in theirs.

let server: TestServer
let port: number

beforeAll(async () => {
  server = await startServer()
  port = server.port
})
afterAll(async () => await server.close())
afterEach(closeRaw)

const held: RawRequest = { path: '/channels/ahead/idle?wait=60' }
const bytesOf = (...requests: readonly RawRequest[]): Buffer => Buffer.concat(requests.map((request) => requestBytes(port, request)))

describe('requests sent ahead', () => {
  it('behind a held poll leave nothing behind when their client goes', async () => {
    const ahead: readonly RawRequest[] = [
      { path: '/channels/ahead/a?wait=60' },
      { path: '/channels/ahead/a?transport=sse' },
      { path: '/subscribe?channel=a&channel=b&wait=60' },
      { method: 'POST', path: '/subscribe?wait=60', body: '{"channels":["a"]}' },
    ]
    for (const next of ahead) {
      const connection = await openRaw(port)
      await connection.sent(bytesOf(held, next, next, next))
      await expect.poll(async () => await receivers(port)).toBe(1)
      connection.reset()
      await expect.poll(async () => await receivers(port)).toBe(0)
    }
  })

  it('behind an event stream are never answered, and leave nothing behind', async () => {
    const connection = await openRaw(port)
    await connection.sent(
      bytesOf(
        { path: '/channels/ahead/a?transport=sse' },
        { path: '/channels/ahead/b?wait=60' },
        { path: '/channels/ahead/b?transport=sse' },
      ),
    )
    expect((await readHead(connection)).status).toBe(200)
    connection.reset()
    await expect.poll(async () => await receivers(port)).toBe(0)
  })

  it('that change something are carried out in their order: publish, delete, publish', async () => {
    const path = '/channels/ahead/order'
    const change: readonly RawRequest[] = [
      { method: 'POST', path, body: 'one' },
      { method: 'DELETE', path },
      { method: 'POST', path, body: 'two' },
      { method: 'POST', path: '/publish', headers: [['Content-Type', 'application/json']], body: '[{"channel":"ahead/order","data":3}]' },
    ]
    for (const before of [[], [{ path: '/channels/ahead/idle?wait=1' }]] as readonly (readonly RawRequest[])[]) {
      await send(port, { method: 'DELETE', path })
      const connection = await openRaw(port)
      connection.send(bytesOf(...before, ...change))
      const statuses: number[] = []
      for (const { method = 'GET' } of [...before, ...change]) statuses.push((await readAnswer(connection, method)).status)
      expect(statuses.slice(-4)).toEqual([201, 204, 201, 200])
      expect((await poll(port, `${path}?since=earliest`)).publications.map(({ data }) => data)).toEqual(['two', 3])
      connection.close()
    }
  })

  it('in absolute form are treated like others', async () => {
    const connection = await openRaw(port)
    const absolute = (path: string): string => `http://127.0.0.1:${port}${path}`
    connection.send(
      bytesOf(
        { path: '/channels/ahead/idle?wait=1' },
        {
          method: 'POST',
          path: absolute('/subscribe?transport=sse'),
          headers: [['Content-Type', 'application/json']],
          body: '{"channels":["a"]}',
        },
        { method: 'POST', path: absolute('/channels/ahead/absolute'), body: 'x' },
      ),
    )
    expect((await readAnswer(connection, 'GET')).status).toBe(200)
    expect((await readHead(connection)).status).toBe(200)
    connection.close()
    expect((await send(port, { path: '/healthz' })).status).toBe(200)
  })

  it('with an upgrade behind them: no byte of the one stands in the other', async () => {
    const connection = await openRaw(port)
    connection.send(
      Buffer.concat([
        bytesOf({ path: '/channels/ahead/idle?wait=1' }, { path: '/channels/ahead/up', headers: handshakeHeaders() }),
        text('early'),
      ]),
    )
    // Answers in the order of the requests, or the end of the connection; never an answer inside the WebSocket.
    const first = await readAnswer(connection, 'GET').catch(() => undefined)
    if (first === undefined) {
      expect([connection.ended, connection.count]).toEqual([true, 0])
    } else if (first.status === 200) {
      const second = await readHead(connection).catch(() => undefined)
      expect(second === undefined ? connection.ended : second.status >= 101).toBe(true)
    } else {
      expect(first.status).toBeGreaterThanOrEqual(400)
      expect((await connection.untilEnd()).toString('latin1')).not.toContain('HTTP/1.1 200')
    }
  })

  it('by the thousand are answered or end the connection, a few by the dozen are answered, and the server goes on', async () => {
    const few = await openRaw(port)
    few.send(bytesOf(...Array.from({ length: 50 }, () => ({ path: '/channels/ahead/idle' }))))
    for (let answer = 0; answer < 50; answer++) expect((await readAnswer(few, 'GET')).status).toBe(200)
    const connection = await openRaw(port)
    connection.send(bytesOf(...Array.from({ length: 1_000 }, () => ({ path: '/channels/ahead/idle' }))))
    let answers = 0
    try {
      while (answers < 1_000) {
        expect((await readAnswer(connection, 'GET')).status).toBe(200)
        answers++
      }
    } catch {
      expect(connection.ended).toBe(true)
    }
    expect((await send(port, { path: '/healthz' })).status).toBe(200)
  })
})
