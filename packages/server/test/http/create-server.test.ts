import { createServer as createHttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { createServer } from '../../src/create-server.ts'
import type { FanfareServer } from '../../src/create-server.ts'
import { poll, publish } from '../support/problems.ts'
import { closeRaw, openRaw } from '../support/raw-client.ts'
import { header, readAnswer, requestBytes, send } from '../support/raw-http.ts'
import { openWebSocket } from '../support/raw-websocket.ts'
import { openSse } from '../support/sse-client.ts'

const open: FanfareServer[] = []

async function start(options: Parameters<typeof createServer>[0] = {}): Promise<{ server: FanfareServer; port: number }> {
  const server = await createServer({ engine: 'memory', listen: '127.0.0.1:0', ...options })
  open.push(server)
  const url = await server.listen()
  return { server, port: Number(new URL(url).port) }
}

afterEach(async () => {
  closeRaw()
  await Promise.all(open.splice(0).map(async (server) => await server.close()))
})

describe('options', () => {
  it.each([
    [{ listen: 'nonsense' }, /listen/],
    [{ listen: '127.0.0.1:70000' }, /listen/],
    [{ origins: ['app.example.com'] }, /origins/],
    [{ origins: ['https://app.example.com/path'] }, /origins/],
    [{ origins: ['*'] }, /origins/],
    [{ transports: ['sse', 'smoke'] as never }, /transports: there is no "smoke"/],
    [{ limits: { payloadByte: 5 } as never }, /limits: there is no "payloadByte"/],
    [{ limits: { payloadBytes: 0 } }, /limits: payloadBytes/],
    [{ rules: [{ match: 'a//b' }] }, /rules/],
    [{ limits: { channelNameBytes: 400 } }, /limits\.channelNameBytes is fixed at 255/],
    [{ limits: { jsonDepth: 8 } }, /limits\.jsonDepth is fixed at 512/],
    [{ limits: { frameCommands: 2000 } }, /limits\.frameCommands is fixed at 1000/],
  ])('that are wrong are refused by name: %j', async (options, message) => {
    await expect(createServer({ engine: 'memory', ...options })).rejects.toThrow(message)
  })

  it('the port that is taken is an error, and the server can be closed', async () => {
    const { port } = await start()
    const second = await createServer({ engine: 'memory', listen: `127.0.0.1:${port}` })
    await expect(second.listen()).rejects.toThrow(/EADDRINUSE/)
    await second.close()
  })
})

describe('publish by the application', () => {
  it('takes text, bytes and JSON, and answers as HTTP does', async () => {
    const { server, port } = await start()
    const text = await server.publish('own', 'words', { event: 'e', id: 'i' })
    expect(text).toMatchObject({ channel: 'own', offset: 1, replayed: false })
    await server.publish('own', { a: [1] })
    await server.publish('own', Buffer.of(1, 2))
    const { publications } = await poll(port, '/channels/own?since=earliest')
    expect(publications).toMatchObject([
      { data: 'words', type: 'text/plain', event: 'e', id: 'i', cursor: text.cursor },
      { data: { a: [1] } },
      { data: 'AQI=', encoding: 'base64', type: 'application/octet-stream' },
    ])
  })

  it('keeps its own copy of bytes', async () => {
    const { server, port } = await start()
    const bytes = Buffer.from('as it was')
    const publishing = server.publish('copied', bytes)
    bytes.fill('x')
    await publishing
    const { publications } = await poll(port, '/channels/copied?since=earliest')
    expect(Buffer.from(String(publications[0]?.data), 'base64').toString()).toBe('as it was')
  })

  it('rejects what has no JSON, a bad name, and a bad key', async () => {
    const { server } = await start()
    await expect(server.publish('own', undefined)).rejects.toMatchObject({ code: 'payload-malformed' })
    await expect(server.publish('a b', 'x')).rejects.toMatchObject({ code: 'channel-name-invalid' })
    await expect(server.publish('own', 'x', { key: '' })).rejects.toMatchObject({ code: 'parameter-invalid' })
  })
})

describe('inside the server of an application', () => {
  it('answers its own addresses until it is taken away, and gives back the rest', async () => {
    const server = await createServer({ engine: 'memory' })
    open.push(server)
    const http = createHttpServer()
    const detach = server.attach(http)
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
    const { port } = http.address() as AddressInfo
    try {
      await publish(port, 'inside', 'x')
      const socket = await openWebSocket(port, '/channels/inside?since=earliest')
      expect((await socket.readMessage()).payload.toString()).toBe('x')
      detach()
      detach()
      expect(http.listenerCount('request')).toBe(0)
      expect(http.listenerCount('upgrade')).toBe(0)
    } finally {
      closeRaw()
      await new Promise((resolve) => http.close(resolve))
    }
  })
})

describe('the delay of the event loop', () => {
  it('is what it was late, without the time from one look to the next', async () => {
    const { port } = await start()
    const delays = async (): Promise<number[]> => {
      const page = (await send(port, { path: '/metrics' })).body.toString()
      return [...page.matchAll(/fanfare_event_loop_delay_seconds{[^}]*} (.+)/g)].map(([, seconds]) => Number(seconds))
    }
    // It is late by a little each time, and by less than the time between two looks once in a while at least.
    await expect
      .poll(async () => (await delays())[0], { timeout: 20_000, interval: 300 })
      .toSatisfy((seconds: number) => seconds > 0 && seconds < 0.045)
  })
})

describe('a clean end', () => {
  it('answers held polls, tells streams to come again, and closes the port', async () => {
    const { server, port } = await start()
    await publish(port, 'held', 'x')
    const held = openRaw(port).then(async (connection) => {
      connection.send(requestBytes(port, { path: '/channels/held?wait=50' }))
      return await readAnswer(connection, 'GET')
    })
    const stream = await openSse(port, '/channels/held')
    await stream.next()
    const socket = await openWebSocket(port, '/channels/held')
    await expect.poll(async () => (await send(port, { path: '/metrics' })).body.toString()).toMatch(/transport="long-poll"} 1/)
    const started = performance.now()
    const closing = server.close()
    expect((await held).status).toBe(200)
    await expect(stream.next()).rejects.toThrow(/ended/)
    expect(stream.retry).toBeGreaterThanOrEqual(1000)
    expect((await socket.closed()).code).toBe(1012)
    await closing
    expect(performance.now() - started).toBeLessThan(3000)
    await expect(openRaw(port)).rejects.toThrow(/ECONNREFUSED/)
  })

  it('answers publishes that are under way, and begins no new ones', async () => {
    const { server, port } = await start()
    const connection = await openRaw(port)
    const whole = requestBytes(port, { method: 'POST', path: '/channels/last', body: 'words' })
    connection.send(whole.subarray(0, -2))
    const idle = await Promise.all([openRaw(port), openRaw(port), openRaw(port)])
    for (const one of idle) {
      one.send(requestBytes(port, { path: '/healthz' }))
      expect(header(await readAnswer(one, 'GET'), 'connection')).toBe('keep-alive')
    }
    const closing = server.close()
    const [first, second, third] = idle
    first?.send(requestBytes(port, { method: 'POST', path: '/channels/last', body: 'late' }))
    second?.send(requestBytes(port, { path: '/readyz' }))
    third?.send(requestBytes(port, { path: '/channels/last', headers: [['Accept', 'text/event-stream']] }))
    const [late, ready, stream] = await Promise.all(idle.map(async (one) => await readAnswer(one, 'GET')))
    expect([late?.status, late && header(late, 'retry-after'), late && header(late, 'connection')]).toEqual([503, '1', 'close'])
    expect(ready?.status).toBe(503)
    expect([stream?.status, stream?.body.toString()]).toEqual([200, expect.stringMatching(/^retry: \d+\n\n$/) as unknown])
    connection.send(whole.subarray(-2))
    const answered = await readAnswer(connection, 'POST')
    expect([answered.status, header(answered, 'connection')]).toEqual([201, 'close'])
    await closing
  })

  it('is cut after its limit, whatever hangs', async () => {
    const { server, port } = await start({ limits: { drainMs: 300 } })
    const connection = await openRaw(port)
    connection.send('POST /channels/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf')
    await send(port, { path: '/healthz' })
    const started = performance.now()
    await server.close()
    expect(performance.now() - started).toBeLessThan(2000)
    await connection.untilEnd()
  })

  it('twice is once, and without ever having listened is one too', async () => {
    const { server } = await start()
    expect(server.close()).toBe(server.close())
    await server.close()
    const silent = await createServer({ engine: 'memory' })
    await silent.close()
  })
})
