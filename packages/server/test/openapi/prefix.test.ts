import { createServer as createHttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, it } from 'vitest'
import { createServer } from '../../src/create-server.ts'
import { description } from '../support/openapi.ts'

it('below a prefix the description says where its addresses are, and they are there', async () => {
  const server = await createServer({ engine: 'memory' })
  const http = createHttpServer()
  server.attach(http, { prefix: '/push' })
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  const base = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
  try {
    const { servers, paths } = (await (await fetch(`${base}/push/openapi.json`)).json()) as { servers: { url: string }[]; paths: object }
    expect(paths).toEqual(description.paths)
    expect(servers).toEqual([{ url: '/push' }])
    const published = await fetch(`${base}${servers[0]?.url ?? ''}/channels/news`, { method: 'POST', body: 'x' })
    expect(published.status).toBe(201)
  } finally {
    await server.close()
    http.closeAllConnections()
    await new Promise((resolve) => http.close(resolve))
  }
})
