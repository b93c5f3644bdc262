import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { askHttp, endOfRefusal } from '../src/receivers/http.ts'

describe('an answer of a server that means no good', () => {
  let sent = 0
  const endless = http.createServer((_request, response) => {
    const chunk = Buffer.alloc(256 * 1024, 'x')
    const more = (): void => {
      while (!response.destroyed) {
        sent += chunk.length
        if (!response.write(chunk)) return void response.once('drain', more)
      }
    }
    more()
  })
  beforeAll(() => new Promise<void>((resolve) => endless.listen(0, '127.0.0.1', resolve)))
  afterAll(() => new Promise((resolve) => endless.close(resolve)))

  it('is refused where it has no end, and no more of it is read', async () => {
    const { port } = endless.address() as AddressInfo
    await expect(askHttp(`http://127.0.0.1:${port}`, { path: '/' })).rejects.toThrow('an answer has more than 16777216 bytes')
    await expect.poll(() => new Promise((resolve) => endless.getConnections((_error, count) => resolve(count)))).toBe(0)
    // What the two sockets held besides.
    expect(sent).toBeLessThan(48 * 1024 * 1024)
  })

  it('is said in few words where it is no problem document', () => {
    const { reason } = endOfRefusal(500, { 'content-type': 'text/html' }, Buffer.alloc(100_000, 'x'))
    expect(reason).toMatch(/^no problem document but text\/html: x{500}$/)
  })
})
