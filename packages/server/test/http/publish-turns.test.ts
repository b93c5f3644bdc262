import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { PublishTurns } from '../../src/http/publish-turns.ts'
import { countOf } from '../support/problems.ts'
import { closeRaw, openRaw } from '../support/raw-client.ts'
import { readAnswer, requestBytes } from '../support/raw-http.ts'
import { startServer } from '../support/start-server.ts'

const turn = async (): Promise<void> => await new Promise((resolve) => setImmediate(resolve))

/** A socket that node resumes after each request, as it does. */
class ReadSocket extends EventEmitter {
  destroyed = false
  reading = true

  pause(): void {
    this.reading = false
  }

  resume(): void {
    this.reading = true
    this.emit('resume')
  }
}

describe('publishes that one connection sends ahead', () => {
  afterEach(closeRaw)

  it('begin some tens a turn, in their order, and nothing more is read until all have', async () => {
    const socket = new ReadSocket()
    const turns = new PublishTurns(socket as unknown as Socket)
    const begun: number[] = []
    for (let i = 0; i < 100; i++) {
      turns.run(() => begun.push(i))
      socket.resume()
    }
    const counts: number[] = [begun.length]
    while (begun.length < 100) {
      expect(socket.reading).toBe(false)
      await turn()
      counts.push(begun.length)
    }
    expect(counts).toEqual([32, 64, 96, 100])
    expect(begun).toEqual(begun.toSorted((a, b) => a - b))
    expect(socket.reading).toBe(true)
  })

  it('do not begin any more once it is gone', async () => {
    const socket = new ReadSocket()
    const turns = new PublishTurns(socket as unknown as Socket)
    let begun = 0
    for (let i = 0; i < 100; i++) turns.run(() => begun++)
    socket.destroyed = true
    for (let i = 0; i < 5; i++) await turn()
    expect(begun).toBe(32)
  })

  it('are all answered, in their order', async () => {
    const server = await startServer()
    const connection = await openRaw(server.port)
    const count = 3000
    const one = (i: number): Buffer => requestBytes(server.port, { method: 'POST', path: '/channels/many', body: String(i) })
    await connection.sent(Buffer.concat(Array.from({ length: count }, (_, i) => one(i))))
    for (let i = 1; i <= count; i++) {
      const answer = await readAnswer(connection)
      if (answer.status !== 201 || !answer.body.toString().includes(`"offset":${i},`)) expect([i, answer.body.toString()]).toEqual([i, 201])
    }
    expect(await countOf(server.port, 'many')).toBe(count)
    await server.close()
  })
})
