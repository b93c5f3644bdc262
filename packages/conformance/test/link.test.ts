import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { Socket } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { freePort, openLink } from '../src/index.ts'
import type { LinkFault } from '../src/index.ts'

/** A server that answers what it is sent, through a link. */
async function echoOver(
  fault: LinkFault,
): Promise<{ readonly socket: Socket; readonly received: Uint8Array[]; readonly closed: Promise<unknown> }> {
  const server = createServer((near) => near.on('error', () => near.destroy()).pipe(near))
  const port = await freePort()
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const link = await openLink(`http://127.0.0.1:${port}`, () => fault)
  onTestFinished(async () => {
    await link.close()
    server.close()
  })
  const socket = connect(Number(new URL(link.url).port), '127.0.0.1')
  const received: Uint8Array[] = []
  socket.on('data', (chunk: Uint8Array) => received.push(chunk))
  socket.on('error', () => socket.destroy())
  const closed = new Promise((resolve) => socket.once('close', resolve))
  await once(socket, 'connect')
  return { socket, received, closed }
}

const bytes = (chunks: readonly Uint8Array[]): number => chunks.reduce((sum, chunk) => sum + chunk.length, 0)

describe('a link', () => {
  it('passes everything on, both ways, and the end too', async () => {
    const { socket, received, closed } = await echoOver({})
    socket.end(Buffer.alloc(300_000, 7))
    await closed
    expect(Buffer.concat(received).equals(Buffer.alloc(300_000, 7))).toBe(true)
  })

  it.each([1, 100, 70_000])('cuts after byte %i that comes down, not before and not after', async (cutAfterDown) => {
    const { socket, received, closed } = await echoOver({ cutAfterDown })
    socket.write(Buffer.alloc(100_000))
    await closed
    expect(bytes(received)).toBe(cutAfterDown)
  })

  it('cuts after so many bytes that go up', async () => {
    const { socket, received, closed } = await echoOver({ cutAfterUp: 10 })
    socket.write(Buffer.alloc(100))
    await closed
    expect(bytes(received)).toBeLessThanOrEqual(10)
  })

  it('splits and slows down without losing a byte', async () => {
    const split = await echoOver({ writeBytes: 1 })
    split.socket.end('byte by byte')
    await split.closed
    expect(Buffer.concat(split.received).toString()).toBe('byte by byte')
    const slow = await echoOver({ bytesPerSecond: 2_000_000 })
    const begun = performance.now()
    slow.socket.end(Buffer.alloc(200_000))
    await slow.closed
    expect(bytes(slow.received)).toBe(200_000)
    expect(performance.now() - begun).toBeGreaterThan(50)
  })
})
