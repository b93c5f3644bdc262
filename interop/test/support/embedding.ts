import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createServer } from '@fanfare/server'
import type { FanfareServer, Published } from '@fanfare/server'
import { EventSource } from 'eventsource'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'

/**
 * An application of some framework with these routes: `GET /` says "home", `GET /healthz` says "healthy", `POST /echo` takes JSON and gives it back,
 * `POST /buy` takes JSON and answers what `publish` answers; anything else is its own 404 with "not here" in it.
 */
export interface Application {
  readonly http: Server
  /** As its framework does. */
  close(): Promise<void>
}

export interface ApplicationRow {
  readonly name: string
  /** Makes it, lets `attach` be called with its server, and listens on a free port of 127.0.0.1. */
  start(publish: (data: unknown) => Promise<Published>, attach: (http: Server) => void): Promise<Application>
}

/** What every application passes with Fanfare on its server. */
export function embeddingSuite(row: ApplicationRow): void {
  describe.each(['', '/push'])(`${row.name}, with Fanfare below %j`, (prefix) => {
    let server: FanfareServer
    let application: Application
    let url: string

    beforeAll(async () => {
      server = await createServer({ engine: 'memory' })
      application = await row.start(
        async (data) => await server.publish('orders', data),
        (http) => void server.attach(http, { prefix }),
      )
      url = `http://127.0.0.1:${(application.http.address() as AddressInfo).port}`
    })
    afterAll(async () => {
      await server.close()
      await application.close()
    })

    const post = async (path: string, body: string, type: string): Promise<{ status: number; text: string }> => {
      const answer = await fetch(url + path, { method: 'POST', body, headers: { 'content-type': type } })
      return { status: answer.status, text: await answer.text() }
    }
    const get = async (path: string): Promise<string> => await (await fetch(url + path)).text()

    it('answers its own routes itself, and what is not there with its own 404', async () => {
      expect([await get('/'), await get('/healthz')]).toEqual(['home', 'healthy'])
      expect(await post('/echo', '{"a":[1]}', 'application/json')).toEqual({ status: 200, text: '{"a":[1]}' })
      for (const path of ['/nothing', '/channels', prefix === '' ? '/metrics' : '/channels/orders']) {
        const answer = await fetch(url + path)
        expect([answer.status, await answer.text()]).toEqual([404, expect.stringContaining('not here')])
      }
    })

    it.each([
      ['JSON', '{"n": 1.0, "big": 12345678901234567890}', 'application/json', '"data":{"n": 1.0, "big": 12345678901234567890}'],
      ['text', 'wörds', 'text/plain', '"data":"wörds"'],
      ['what a form sends', 'a=1&b=2', 'application/x-www-form-urlencoded', '"data":"a=1&b=2"'],
    ])('eats no body that is published: %s', async (name, body, type, told) => {
      const path = `${prefix}/channels/bodies/${encodeURIComponent(name.replaceAll(' ', '-'))}`
      expect((await post(path, body, type)).status).toBe(201)
      expect(await get(`${path}?since=earliest`)).toContain(told)
    })

    it('leaves refusals to Fanfare', async () => {
      expect(JSON.parse((await post(`${prefix}/channels/a`, 'x'.repeat(70_000), 'text/plain')).text)).toMatchObject({
        code: 'payload-too-large',
      })
      expect(JSON.parse((await post(`${prefix}/channels/a`, '{', 'application/json')).text)).toMatchObject({ code: 'payload-malformed' })
      const foreign = await fetch(`${url}${prefix}/channels/a`, { headers: { origin: 'https://evil.example' } })
      expect([foreign.status, foreign.headers.get('access-control-allow-origin')]).toEqual([403, null])
    })

    it('publishes from a route to an EventSource, a WebSocket and a stream, and answers offset and cursor', async () => {
      const events = new EventSource(`${url}${prefix}/channels/orders`)
      await new Promise((resolve) => events.addEventListener('fanfare.ready', resolve, { once: true }))
      const socket = new WebSocket(`${url.replace('http', 'ws')}${prefix}/channels/orders?envelope=1`)
      await once(socket, 'message')
      const stream = await fetch(`${url}${prefix}/channels/orders`, { headers: { accept: 'application/x-ndjson' } })
      const lines = stream.body?.getReader()
      await lines?.read()
      const event = new Promise<MessageEvent>((resolve) => events.addEventListener('message', resolve, { once: true }))
      const frame = once(socket, 'message')
      const bought = await post('/buy', '{"book":7}', 'application/json')
      const { offset, cursor } = JSON.parse(bought.text) as Published
      expect([bought.status, offset, typeof cursor]).toEqual([200, 1, 'string'])
      expect([(await event).data, (await event).lastEventId]).toEqual(['{"book":7}', cursor])
      expect(JSON.parse(String((await frame)[0]))).toMatchObject({ channel: 'orders', offset, cursor, data: { book: 7 } })
      expect(JSON.parse(new TextDecoder().decode((await lines?.read())?.value))).toMatchObject({ offset, cursor, data: { book: 7 } })
      events.close()
      socket.terminate()
      await lines?.cancel()
    })

    it('ends with its receivers told, and goes on as the application that it was', async () => {
      const socket = new WebSocket(`${url.replace('http', 'ws')}${prefix}/channels/orders`)
      await once(socket, 'open')
      const closed = once(socket, 'close')
      const stream = await fetch(`${url}${prefix}/channels/orders`, { headers: { accept: 'text/event-stream' } })
      const whole = stream.text()
      await server.close()
      await server.close()
      expect((await closed)[0]).toBe(1012)
      expect(await whole).toMatch(/fanfare\.ready[^]*retry: \d+/)
      expect(await get('/')).toBe('home')
      expect((await fetch(`${url}${prefix}/channels/orders`)).status).toBe(404)
      expect(Object.hasOwn(application.http, 'emit')).toBe(false)
    })
  })
}

/** Listens on a free port of 127.0.0.1. */
export async function listening(http: Server): Promise<void> {
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
}

/** What `node:http` has for it: kept connections of others are ended, those in use awaited. */
export async function closed(http: Server): Promise<void> {
  await new Promise((resolve) => http.close(resolve))
}
