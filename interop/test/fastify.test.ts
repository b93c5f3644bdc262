import { createServer } from 'node:http'
import type { Server } from 'node:http'
import fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import type { Published } from '@fanfare/server'
import { embeddingSuite } from './support/embedding.ts'

function routes(app: FastifyInstance, publish: (data: unknown) => Promise<Published>): void {
  app.get('/', () => 'home')
  app.get('/healthz', () => 'healthy')
  app.post('/echo', (request) => request.body)
  app.post('/buy', (request) => publish(request.body))
  app.setNotFoundHandler((_request, reply) => reply.code(404).send('not here'))
}

embeddingSuite({
  name: 'Fastify 5',
  async start(publish, attach) {
    const app = fastify()
    routes(app, publish)
    attach(app.server)
    await app.listen({ port: 0, host: '127.0.0.1' })
    return { http: app.server, close: async () => await app.close() }
  },
})

embeddingSuite({
  name: 'Fastify 5 over a server that was made for it',
  async start(publish, attach) {
    const serverFactory = (handler: Parameters<typeof createServer>[1]): Server => {
      const http = createServer({}, handler)
      attach(http)
      return http
    }
    const app = fastify({ serverFactory })
    routes(app, publish)
    await app.listen({ port: 0, host: '127.0.0.1' })
    return { http: app.server, close: async () => await app.close() }
  },
})
