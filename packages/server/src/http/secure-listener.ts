import type { ServerOptions } from 'node:http'
import { createServer } from 'node:https'
import type { Server } from 'node:https'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { TlsOptions } from '../options.ts'
import { secureContextOf } from './certificate.ts'
import type { Site } from './site.ts'

/** HTTP/1.1 over TLS. `cut` ends the connections whose handshake is under way: node's own calls know nothing of those. */
export interface SecureServer {
  readonly server: Server
  renew(tls: TlsOptions): void
  cut(): void
}

export function createSecureServer(site: Site, options: ServerOptions, tls: TlsOptions): SecureServer {
  const { limits } = site.settings
  const server = createServer({
    ...options,
    ...secureContextOf(tls),
    ALPNProtocols: ['http/1.1'],
    handshakeTimeout: limits.headersMs,
  })
  const handshakes = new Handshakes(server, limits.handshakes)
  endFailedHandshakes(server, site)
  return {
    server,
    renew: (next) => server.setSecureContext(secureContextOf(next)),
    cut: () => handshakes.cut(),
  }
}

/** Connections whose handshake is under way. Over their limit the oldest goes: who means it has done with it long before. */
class Handshakes {
  /** By the client's address, the only thing that node's two events of a connection have in common. */
  readonly #open = new Map<string, Socket>()

  constructor(server: Server, most: number) {
    server.on('connection', (socket: Socket) => {
      const name = nameOf(socket)
      this.#open.set(name, socket)
      socket.once('close', () => {
        if (this.#open.get(name) === socket) this.#open.delete(name)
      })
      if (this.#open.size <= most) return
      const [oldest] = this.#open.values()
      oldest?.destroy()
    })
    server.on('secureConnection', (socket: TLSSocket) => this.#open.delete(nameOf(socket)))
  }

  cut(): void {
    for (const socket of this.#open.values()) socket.destroy()
  }
}

function nameOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`
}

/** Node takes a handshake that failed for a request that did, and nothing could be answered on its connection. */
function endFailedHandshakes(server: Server, { settings }: Site): void {
  let hinted = false
  server.prependListener('tlsClientError', (error: NodeJS.ErrnoException, socket: TLSSocket) => {
    socket.destroy()
    if (hinted || error.code !== 'ERR_SSL_HTTP_REQUEST') return
    hinted = true
    settings.log.warn({}, 'somebody speaks HTTP without TLS to the port of HTTPS, and is not answered; its address begins with https://')
  })
}
