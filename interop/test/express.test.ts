import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http'
import { createRequire } from 'node:module'
import type { Published } from '@fanfare/server'
import { closed, embeddingSuite, listening } from './support/embedding.ts'

// Express brings no types of its own; this is what is used of it here.
interface Request extends IncomingMessage {
  readonly body: unknown
}
interface Response extends ServerResponse {
  send(body: string): void
  json(body: unknown): void
  status(code: number): Response
}
type Handler = (req: Request, res: Response) => unknown
interface Express extends RequestListener {
  use(handler: unknown): void
  get(path: string, handler: Handler): void
  post(path: string, handler: Handler): void
  listen(port: number, host: string): Server
}
const express = createRequire(import.meta.url)('express') as (() => Express) & {
  json(): unknown
  text(): unknown
  urlencoded(options: { extended: boolean }): unknown
}

function app(publish: (data: unknown) => Promise<Published>): Express {
  const made = express()
  // Those that take bodies stand before all routes, as in many an application.
  for (const parser of [express.json(), express.text(), express.urlencoded({ extended: true })]) made.use(parser)
  made.get('/', (_req, res) => res.send('home'))
  made.get('/healthz', (_req, res) => res.send('healthy'))
  made.post('/echo', (req, res) => res.json(req.body))
  made.post('/buy', (req, res) => publish(req.body).then((published) => res.json(published)))
  made.use((_req: Request, res: Response) => res.status(404).send('not here'))
  return made
}

embeddingSuite({
  name: 'Express 5 on a server of node:http',
  async start(publish, attach) {
    const http = createServer(app(publish))
    attach(http)
    await listening(http)
    return { http, close: () => closed(http) }
  },
})

embeddingSuite({
  name: 'Express 5 that listens by itself',
  async start(publish, attach) {
    const http = app(publish).listen(0, '127.0.0.1')
    attach(http)
    await once(http, 'listening')
    return { http, close: () => closed(http) }
  },
})
