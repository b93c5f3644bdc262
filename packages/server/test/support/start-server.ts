import { createServer as createHttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Limits } from '@fanfare/wire'
import { createServer } from '../../src/create-server.ts'
import type { ServerOptions } from '../../src/options.ts'

/** What tests change; the rest is as a user gets it, but for the engine: memory, unless a test names another. */
export interface TestOptions extends Omit<ServerOptions, 'listen' | 'limits'> {
  /** Address without port. Default 127.0.0.1. */
  readonly host?: string
  readonly limits?: Partial<Limits>
}

export interface TestServer {
  readonly port: number
  close(): Promise<void>
}

/** A server of a test's own on a free port. */
export async function startServer(options: TestOptions = {}): Promise<TestServer> {
  const { host = '127.0.0.1', ...rest } = options
  const server = await createServer({ engine: 'memory', ...rest, listen: `${host.includes(':') ? `[${host}]` : host}:0` })
  try {
    return { port: Number(new URL(await server.listen()).port), close: async () => await server.close() }
  } catch (error) {
    await server.close()
    throw error
  }
}

/** A server whose own address is one that others reach, heard on loopback all the same: attached to a server of `node:http`. */
export async function attachServer(options: TestOptions): Promise<TestServer> {
  const { host = '192.0.2.1', ...rest } = options
  const server = await createServer({ engine: 'memory', ...rest, listen: `${host}:8000` })
  const http = createHttpServer()
  server.attach(http)
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  const close = async (): Promise<void> => {
    await server.close()
    await new Promise((resolve) => {
      http.close(resolve)
      http.closeAllConnections()
    })
  }
  return { port: (http.address() as AddressInfo).port, close }
}
