import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { countOf, poll, publish, receivers } from '../support/problems.ts'
import { closeRaw, openRaw } from '../support/raw-client.ts'
import { header, readAnswer, readHead, requestBytes, send } from '../support/raw-http.ts'
import { startServer } from '../support/start-server.ts'
import type { TestServer } from '../support/start-server.ts'

// What HEAD, DELETE and polls of a channel answer (CONTRACT sections 2 and 4).

let server: TestServer
let port: number

beforeAll(async () => {
  server = await startServer()
  port = server.port
})
afterAll(async () => await server.close())
afterEach(closeRaw)

describe('HEAD of a channel', () => {
  it('says the head and the count, without the publications, whatever is asked for besides', async () => {
    await publish(port, 'head', 'one')
    const { cursor } = await publish(port, 'head', 'two')
    await publish(port, 'elsewhere', 'x')
    for (const [query, headers] of [
      ['', []],
      ['?wait=60', []],
      ['?transport=sse', []],
      ['?since=earliest', []],
      ['', [['Accept', 'text/event-stream']]],
    ] as const) {
      const connection = await openRaw(port)
      connection.send(requestBytes(port, { method: 'HEAD', path: `/channels/head${query}`, headers }))
      const answer = await readHead(connection)
      expect([answer.status, header(answer, 'fanfare-count'), header(answer, 'fanfare-cursor')]).toEqual([200, '2', cursor])
      // It has no body: the next answer follows at once.
      connection.send(requestBytes(port, { path: '/healthz' }))
      expect((await readHead(connection)).status).toBe(200)
      connection.close()
    }
  })

  it('of one that nobody has published to has a cursor and none', async () => {
    const answer = await send(port, { method: 'HEAD', path: '/channels/head/never' })
    expect([answer.status, header(answer, 'fanfare-count')]).toEqual([200, '0'])
    const { cursor } = await publish(port, 'head/never', 'first')
    const { publications } = await poll(port, `/channels/head/never?since=${header(answer, 'fanfare-cursor')}`)
    expect(publications).toMatchObject([{ offset: 1, cursor }])
  })
})

describe('DELETE of a channel', () => {
  it('takes the publications and keeps the numbers: offsets go on', async () => {
    const before = await publish(port, 'gone', 'one')
    const answer = await send(port, { method: 'DELETE', path: '/channels/gone' })
    expect([answer.status, answer.body.length]).toEqual([204, 0])
    expect(await countOf(port, 'gone')).toBe(0)
    expect((await publish(port, 'gone', 'two')).offset).toBe(2)
    const told = await poll(port, `/channels/gone?since=${before.cursor}`)
    expect(told.gaps).toMatchObject([{ channel: 'gone', reason: 'deleted' }])
    expect(told.publications).toMatchObject([{ offset: 2, data: 'two' }])
    expect((await poll(port, '/channels/gone?since=earliest')).gaps).toEqual([])
  })

  it('twice, or of one that never was, is 204 too', async () => {
    for (const path of ['/channels/gone/never', '/channels/gone/never'])
      expect((await send(port, { method: 'DELETE', path })).status).toBe(204)
  })
})

describe('a poll', () => {
  it('of an idle channel is the same each time, however busy the store: its cursor is the one that it came with', async () => {
    const { cursor } = await publish(port, 'idle', 'x')
    const first = await send(port, { path: `/channels/idle?since=${cursor}` })
    for (let index = 0; index < 5; index++) await publish(port, 'busy', 'x')
    const second = await send(port, { path: `/channels/idle?since=${cursor}` })
    expect(second.body.toString()).toBe(first.body.toString())
    expect([JSON.parse(first.body.toString()), header(first, 'fanfare-cursor')]).toEqual([
      { cursor, publications: [], more: false, gaps: [] },
      cursor,
    ])
    expect(header(first, 'cache-control')).toBe('no-store')
  })

  it('goes on by its cursor, page after page, and says when there is more', async () => {
    const items = Array.from({ length: 2_500 }, (_, index) => ({ channel: 'pages', data: index }))
    await send(port, { method: 'POST', path: '/publish', headers: [['Content-Type', 'application/json']], body: JSON.stringify(items) })
    const seen: unknown[] = []
    const sizes: number[] = []
    for (let from = 'earliest', more = true; more;) {
      const answer = await poll(port, `/channels/pages?since=${from}`)
      seen.push(...answer.publications.map(({ data }) => data))
      sizes.push(answer.publications.length)
      expect(answer.cursor).toBe(answer.publications.at(-1)?.cursor)
      ;({ cursor: from, more } = answer)
    }
    expect(seen).toEqual(items.map(({ data }) => data))
    expect(Math.max(...sizes)).toBeLessThanOrEqual(1_000)
    expect((await poll(port, '/channels/pages?since=earliest&limit=7')).publications).toHaveLength(7)
  })

  it('stays under 1 MiB', async () => {
    const large = JSON.stringify(Array.from({ length: 60 }, () => ({ channel: 'large', data: 'x'.repeat(60_000) })))
    expect(
      (await send(port, { method: 'POST', path: '/publish', headers: [['Content-Type', 'application/json']], body: large })).status,
    ).toBe(200)
    let seen = 0
    for (let from = 'earliest', more = true; more;) {
      const answer = await send(port, { path: `/channels/large?since=${from}` })
      expect(answer.body.length).toBeLessThanOrEqual(1024 * 1024)
      const parsed = JSON.parse(answer.body.toString()) as { cursor: string; more: boolean; publications: unknown[] }
      seen += parsed.publications.length
      ;({ cursor: from, more } = parsed)
    }
    expect(seen).toBe(60)
  })

  it('of the last N begins with them, of each channel', async () => {
    for (let index = 0; index < 5; index++) for (const channel of ['last/a', 'last/b']) await publish(port, channel, String(index))
    expect((await poll(port, '/channels/last/a?last=2')).publications.map(({ data }) => data)).toEqual(['3', '4'])
    const both = (await poll(port, '/subscribe?channel=last/a&channel=last/b&last=2')).publications
    expect(both.map(({ channel, data }) => `${channel} ${String(data)}`)).toEqual(['last/a 3', 'last/b 3', 'last/a 4', 'last/b 4'])
  })

  it('that is held is answered by the first publication, with its cursor', async () => {
    const { cursor } = await publish(port, 'held', 'x')
    const connection = await openRaw(port)
    connection.send(requestBytes(port, { path: `/channels/held?since=${cursor}&wait=30` }))
    await expect.poll(async () => await receivers(port)).toBe(1)
    const next = await publish(port, 'held', 'y')
    const answer = await readAnswer(connection, 'GET')
    expect(JSON.parse(answer.body.toString())).toMatchObject({ cursor: next.cursor, publications: [{ data: 'y' }], more: false, gaps: [] })
  })
})
