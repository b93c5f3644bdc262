import { FanfareError } from '@fanfare/wire'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createServer } from '../../src/create-server.ts'
import type { FanfareServer } from '../../src/create-server.ts'
import { openMemoryEngine } from '../../src/engines/memory-engine.ts'
import type { Engine } from '../../src/engines/engine.ts'
import { closeRaw } from '../support/raw-client.ts'
import { send } from '../support/raw-http.ts'
import { openWebSocket, text } from '../support/raw-websocket.ts'

// What goes wrong inside is for whoever runs the server: it is logged and counted, and no client hears of files and places.

const secret = 'EIO: /var/lib/fanfare/segment-7 at byte 4711'
const logged: string[] = []
let server: FanfareServer
let port: number

/** A store that can be written and not read. */
async function unreadable(...[options]: Parameters<typeof openMemoryEngine>): Promise<Engine> {
  const engine = await openMemoryEngine(options)
  engine.read = async () => await Promise.reject(new Error(secret))
  engine.facts = async () => await Promise.reject(new Error(secret))
  return engine
}

beforeAll(async () => {
  const log = {
    info: () => undefined,
    warn: () => undefined,
    error: (fields: Record<string, unknown>) => void logged.push(JSON.stringify(fields)),
  }
  server = await createServer({ listen: '127.0.0.1:0', engine: unreadable, log, limits: { pagesBytes: 1 } })
  port = Number(new URL(await server.listen()).port)
  await server.publish('broken', 'x')
})
afterAll(async () => await server.close())
afterEach(closeRaw)

async function failures(): Promise<number> {
  const page = (await send(port, { path: '/metrics' })).body.toString()
  return Number(/^fanfare_internal_errors_total (\d+)$/m.exec(page)?.[1])
}

describe('a store that failed', () => {
  it('is said once, loudly, with its cause', async () => {
    const said: string[] = []
    const log = {
      info: () => undefined,
      warn: () => undefined,
      error: (fields: Record<string, unknown>, message: string) => void said.push(`${message} ${String(fields.error)}`),
    }
    const failing = await createServer({
      listen: '127.0.0.1:0',
      log,
      async engine(options) {
        const engine = await openMemoryEngine(options)
        const cause = new Error(secret)
        engine.append = async () => await Promise.reject(new FanfareError('storage-failed', 'a sync failed', { cause }))
        const stats = engine.stats.bind(engine)
        engine.stats = () => ({ ...stats(), failed: true })
        return engine
      },
    })
    for (let i = 0; i < 5; i++) await expect(failing.publish('a', 'x')).rejects.toMatchObject({ code: 'storage-failed' })
    await failing.close()
    expect(said).toHaveLength(1)
    expect(said[0]).toMatch(/nothing is acknowledged until/)
    expect(said[0]).toContain(secret)
  })
})

describe('an error of our own', () => {
  it.each([
    '/channels/broken?since=earliest',
    '/subscribe?channel=broken&channel=b&since=earliest',
    '/channels/broken?since=earliest&transport=sse',
  ])('is told without its cause to a request, logged with it, and counted: %s', async (path) => {
    const before = await failures()
    logged.length = 0
    const answer = await send(port, { path })
    expect(answer.status).toBe(500)
    expect(JSON.parse(answer.body.toString())).toMatchObject({
      status: 500,
      code: 'internal',
      detail: expect.not.stringContaining('EIO') as unknown,
    })
    expect(logged.join('\n')).toContain(secret)
    expect(await failures()).toBe(before + 1)
  })

  it('is told without its cause to a command', async () => {
    const socket = await openWebSocket(port, '/connect')
    await socket.readJson()
    socket.send(text('{"id":1,"history":{"channel":"broken","since":"earliest"}}'), text('{"id":2,"ping":{}}'))
    const replies = [await socket.readJson(), await socket.readJson()]
    expect(replies).toContainEqual({ id: 2, ok: {} })
    expect(replies).toContainEqual({
      id: 1,
      error: { code: 'internal', message: expect.not.stringContaining('EIO') as unknown, retry: true },
    })
  })

  it('leaves all else as it was', async () => {
    expect((await send(port, { method: 'POST', path: '/channels/broken', body: 'y' })).status).toBe(201)
    expect((await send(port, { method: 'HEAD', path: '/channels/broken' })).status).toBe(500)
  })
})
