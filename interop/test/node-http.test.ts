import { createServer } from 'node:http'
import type { IncomingMessage, RequestListener } from 'node:http'
import type { Published } from '@fanfare/server'
import { closed, embeddingSuite, listening } from './support/embedding.ts'

async function bodyOf(req: IncomingMessage): Promise<string> {
  return Buffer.concat((await req.toArray()) as Buffer[]).toString()
}

function routes(publish: (data: unknown) => Promise<Published>): RequestListener {
  const answer = async (req: IncomingMessage): Promise<string | undefined> => {
    if (req.method === 'GET' && req.url === '/') return 'home'
    if (req.method === 'GET' && req.url === '/healthz') return 'healthy'
    if (req.method === 'POST' && req.url === '/echo') return await bodyOf(req)
    if (req.method === 'POST' && req.url === '/buy') return JSON.stringify(await publish(JSON.parse(await bodyOf(req))))
    return undefined
  }
  return (req, res) => {
    void answer(req).then((text) => {
      if (text === undefined) res.statusCode = 404
      return res.end(text ?? 'not here')
    })
  }
}

embeddingSuite({
  name: 'node:http, whose listener is there before',
  async start(publish, attach) {
    const http = createServer(routes(publish))
    attach(http)
    await listening(http)
    return { http, close: () => closed(http) }
  },
})

embeddingSuite({
  name: 'node:http, whose listener comes later',
  async start(publish, attach) {
    const http = createServer()
    attach(http)
    await listening(http)
    http.on('request', routes(publish))
    return { http, close: () => closed(http) }
  },
})
