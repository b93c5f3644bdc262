import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { countOf, expectProblem, poll, publish } from '../support/problems.ts'
import { closeRaw } from '../support/raw-client.ts'
import { header, send } from '../support/raw-http.ts'
import type { Answer } from '../support/raw-http.ts'
import { openWebSocket, text } from '../support/raw-websocket.ts'
import { startServer } from '../support/start-server.ts'
import type { TestOptions, TestServer } from '../support/start-server.ts'

// What is said where the store is full of something (CONTRACT sections 3 and 9): nothing is stored then, and everything else goes on.

const closing: (() => Promise<void>)[] = []

afterEach(async () => {
  closeRaw()
  for (const close of closing.splice(0)) await close()
})

async function start(options: TestOptions): Promise<TestServer> {
  const data = mkdtempSync(join(tmpdir(), 'fanfare-limits-'))
  const server = await startServer({ data, ...options })
  closing.push(async () => {
    await server.close()
    rmSync(data, { recursive: true, force: true })
  })
  return server
}

async function post(port: number, channel: string, body: string, key?: string): Promise<Answer> {
  return await send(port, {
    method: 'POST',
    path: `/channels/${channel}`,
    headers: key === undefined ? [] : [['Idempotency-Key', key]],
    body,
  })
}

async function batch(port: number, items: unknown, query = ''): Promise<Answer> {
  return await send(port, {
    method: 'POST',
    path: `/publish${query}`,
    headers: [['Content-Type', 'application/json']],
    body: JSON.stringify(items),
  })
}

describe.each(['memory', 'disk'] as const)('the %s engine', (engine) => {
  it('with as many channels as it may hold: 507 channels-full for a new one, on every way in; the others go on', async () => {
    const { port } = await start({ engine, limits: { channels: 3 } })
    for (const channel of ['a', 'b', 'c']) await publish(port, channel, 'x')
    expectProblem(await post(port, 'd', 'x'), 507, 'channels-full')
    expectProblem(
      await batch(
        port,
        [
          { channel: 'a', data: 1 },
          { channel: 'd', data: 1 },
        ],
        '?atomic=1',
      ),
      507,
      'channels-full',
    )
    expect(await countOf(port, 'a')).toBe(1)
    const results = JSON.parse(
      (
        await batch(port, [
          { channel: 'a', data: 1 },
          { channel: 'd', data: 1 },
          { channel: 'b', data: 2 },
        ])
      ).body.toString(),
    ) as { offset?: number; error?: { code: string } }[]
    expect(results.map(({ offset, error }) => offset ?? error?.code)).toEqual([2, 'channels-full', 2])
    const socket = await openWebSocket(port, '/connect')
    await socket.readMessage()
    socket.send(text('{"id":1,"publish":{"channel":"d","data":1}}'))
    expect(await socket.readJson()).toMatchObject({ id: 1, error: { code: 'channels-full' } })
    const plain = await openWebSocket(port, '/channels/d')
    plain.send(text('x'))
    expect((await plain.readClose()).code).toBe(4507)
    expect((await poll(port, '/channels/d?since=earliest')).publications).toEqual([])
    expect((await publish(port, 'c', 'again')).offset).toBe(2)
  })

  it('with as many keys as it may remember: 429 with Retry-After for a new one; known keys and publishes without go on', async () => {
    const { port } = await start({ engine, limits: { idempotencyKeys: 2 } })
    expect((await post(port, 'a', 'x', 'k1')).status).toBe(201)
    expect((await post(port, 'a', 'y', 'k2')).status).toBe(201)
    const refused = await post(port, 'a', 'z', 'k3')
    expectProblem(refused, 429, 'idempotency-full')
    expect(Number(header(refused, 'retry-after'))).toBeGreaterThan(0)
    expect(header(await post(port, 'a', 'x', 'k1'), 'idempotent-replayed')).toBe('true')
    expectProblem(await post(port, 'a', 'other', 'k1'), 409, 'idempotency-conflict')
    expect((await post(port, 'a', 'free')).status).toBe(201)
    expect(await countOf(port, 'a')).toBe(3)
  })

  it('keeps a key for its window and no longer: after it a repeat is a new publication', async () => {
    const { port } = await start({ engine, limits: { idempotencyWindowMs: 300 } })
    const first = await publish(port, 'a', 'x', [['Idempotency-Key', 'k']])
    await expect
      .poll(async () => (await publish(port, 'a', 'x', [['Idempotency-Key', 'k']])).offset, { timeout: 5_000, interval: 100 })
      .toBe(first.offset + 1)
  })
})

describe('the memory engine', () => {
  it('without space says 507 storage-full, lets all be read, and takes again when there is space', async () => {
    const { port } = await start({
      limits: { memoryStoreBytes: 256 * 1024 },
      rules: [{ match: '**', keep: { publications: null, ageMs: null, bytes: null } }],
    })
    const body = 'x'.repeat(10_000)
    let stored = 0
    let answer = await post(port, 'a', body)
    while (answer.status === 201 && stored < 100) {
      stored++
      answer = await post(port, 'a', body)
    }
    expectProblem(answer, 507, 'storage-full')
    expect(stored).toBeGreaterThan(5)
    expect((await poll(port, '/channels/a?since=earliest')).publications).toHaveLength(stored)
    expect((await send(port, { method: 'DELETE', path: '/channels/a' })).status).toBe(204)
    expect((await publish(port, 'a', body)).offset).toBe(stored + 1)
  })
})
