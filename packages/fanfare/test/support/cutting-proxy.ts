import net from 'node:net'
import type { AddressInfo, Socket } from 'node:net'

export interface CuttingProxy {
  readonly url: string
  /** Connections that were made. */
  readonly connections: number
  /** Cuts what is open. */
  cut(): void
  close(): Promise<void>
}

/** Passes bytes on, and cuts each connection after so many bytes of the server's; `budget` says how many for the nth one. */
export async function cuttingProxy(target: string, budget: (nth: number) => number): Promise<CuttingProxy> {
  const { port } = new URL(target)
  const open = new Set<Socket>()
  let connections = 0
  const server = net.createServer((near) => {
    let left = budget(connections++)
    const far = net.connect(Number(port), '127.0.0.1')
    const end = (): void => {
      near.destroy()
      far.destroy()
    }
    for (const socket of [near, far]) {
      open.add(socket)
      socket.on('error', end)
      socket.on('close', () => {
        open.delete(socket)
        end()
      })
    }
    near.pipe(far)
    far.on('data', (part: Buffer) => {
      near.write(part.subarray(0, left))
      left -= part.length
      if (left <= 0) near.end(end)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const cut = (): void => {
    for (const socket of open) socket.destroy()
  }
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get connections() {
      return connections
    },
    cut,
    close: () => {
      cut()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}
