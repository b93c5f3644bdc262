import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { freePort } from './port.ts'

/** What a link does to the bytes that come down from the server. */
export interface LinkFault {
  /** Destroys both ends after so many bytes down. */
  readonly cutAfterDown?: number
  /** Destroys both ends after so many bytes up. */
  readonly cutAfterUp?: number
  /** Passes on so few bytes a write, a write a turn. */
  readonly writeBytes?: number
  /** Passes on no more than this; the rest waits in the sockets. */
  readonly bytesPerSecond?: number
}

export interface Link {
  /** Where the far end is reached through the link. */
  readonly url: string
  /** Connections that were made so far. */
  readonly connections: number
  close(): Promise<void>
}

/** A TCP proxy on loopback; each connection asks for the fault of its own. */
export async function openLink(target: string, faultOf: (connection: number) => LinkFault): Promise<Link> {
  const far = new URL(target)
  const sockets = new Set<Socket>()
  let connections = 0
  const server = createServer({ allowHalfOpen: true }, (near) => {
    const fault = faultOf(connections++)
    const other = connect({ port: Number(far.port), host: far.hostname, allowHalfOpen: true })
    for (const socket of [near, other]) {
      sockets.add(socket)
      socket.setNoDelay(true)
      socket.once('close', () => sockets.delete(socket))
      // A cut is what the link is for; each end sees it as its own.
      socket.on('error', () => cut(near, other))
    }
    void carry(other, near, { cutAfter: fault.cutAfterDown, writeBytes: fault.writeBytes, bytesPerSecond: fault.bytesPerSecond })
    void carry(near, other, { cutAfter: fault.cutAfterUp })
  })
  server.listen(await freePort(), '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    get connections() {
      return connections
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
      if (server.listening) await once(server, 'close')
    },
  }
}

/** Of a throttled link. */
const pieceBytes = 16 * 1024

interface Carriage {
  readonly cutAfter?: number | undefined
  readonly writeBytes?: number | undefined
  readonly bytesPerSecond?: number | undefined
}

async function carry(from: Socket, to: Socket, { cutAfter = Infinity, writeBytes, bytesPerSecond }: Carriage): Promise<void> {
  let carried = 0
  try {
    // The other direction may still be open when this one ends.
    for await (const chunk of from.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>) {
      for (const piece of pieces(chunk.subarray(0, cutAfter - carried), writeBytes ?? pieceBytes)) {
        if (!to.write(piece)) await drained(to)
        if (writeBytes !== undefined) await new Promise((resolve) => setImmediate(resolve))
        if (bytesPerSecond !== undefined) await new Promise((resolve) => setTimeout(resolve, (piece.length / bytesPerSecond) * 1000))
      }
      carried += chunk.length
      if (carried >= cutAfter) return void to.end(() => cut(from, to))
    }
    to.end()
  } catch {
    // The iteration ends with an error where the socket was destroyed; so is the other one then.
    cut(from, to)
  }
}

function* pieces(chunk: Uint8Array, most = chunk.length): Generator<Uint8Array> {
  for (let at = 0; at < chunk.length; at += Math.max(1, most)) yield chunk.subarray(at, at + Math.max(1, most))
}

async function drained(socket: Socket): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = () => {
      socket.off('drain', done)
      socket.off('close', done)
      resolve()
    }
    socket.once('drain', done)
    socket.once('close', done)
  })
}

function cut(...sockets: readonly Socket[]): void {
  for (const socket of sockets) socket.destroy()
}
