import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerOptions, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { FanfareError } from '@fanfare/wire'
import type { TlsOptions } from '../options.ts'
import { streamingSockets } from '../transports/stream-sink.ts'
import { activeResponse, answer } from './entry.ts'
import { createSecureServer } from './secure-listener.ts'
import type { SecureServer } from './secure-listener.ts'
import type { Site } from './site.ts'
import { refuseUpgrade, upgrade } from './upgrade.ts'

/** How often node looks for requests that are late. */
const checkMs = 500
/** Longer than the idle time of common proxies, so that they close first and no request crosses our FIN. */
const keepAliveMs = 75_000
const probeAfterMs = 60_000

/** A server of our own, with strict bounds. */
export interface Listener {
  readonly server: Server
  readonly scheme: 'http' | 'https'
  /** Takes another certificate for who connects from now on. Throws where there is no TLS. */
  renew(tls: TlsOptions): void
  /** Destroys connections on which no request can come any more. */
  cut(): void
}

/** Makes it; the body's time is kept by who reads it. `tls` says whether it speaks TLS. */
export function createListener(site: Site, tls: TlsOptions | undefined): Listener {
  const { headersMs, bodyMs, headersBytes } = site.settings.limits
  const options: ServerOptions = {
    headersTimeout: headersMs,
    requestTimeout: headersMs + bodyMs + checkMs,
    connectionsCheckingInterval: checkMs,
    keepAliveTimeout: keepAliveMs,
    maxHeaderSize: headersBytes,
    keepAlive: true,
    keepAliveInitialDelay: probeAfterMs,
    noDelay: true,
    insecureHTTPParser: false,
    // The guard says it, with a problem document.
    requireHostHeader: false,
  }
  const made: Pick<SecureServer, 'renew' | 'cut'> & { readonly server: Server } =
    tls === undefined ? plainServer(options) : createSecureServer(site, options, tls)
  const { server } = made
  // Bounded by their bytes; else node drops what is over a number, and the guard never sees it.
  server.maxHeadersCount = 0
  const stop = listenOn(server, site)
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => refuseBytes(problemOf(error.code, headersBytes), error, socket))
  server.once('close', stop)
  return { server, scheme: tls === undefined ? 'http' : 'https', renew: (next) => made.renew(next), cut: () => made.cut() }
}

function plainServer(options: ServerOptions): Pick<SecureServer, 'renew' | 'cut'> & { readonly server: Server } {
  return {
    server: createServer(options),
    renew() {
      throw new Error('the server speaks no TLS')
    },
    cut: () => undefined,
  }
}

/** Answers all requests and upgrades of a server. Returns what ends it. */
function listenOn(server: Server, site: Site): () => void {
  const onRequest = (req: IncomingMessage, res: ServerResponse): void => answer(site, req, res)
  const onUpgrade = (req: IncomingMessage, socket: Duplex, head: Buffer): void => {
    // It was sent ahead of an answer that is still to come, and node has let go of the connection: nothing can be said on it any more.
    if (streamingSockets.has(req.socket) || activeResponse(req.socket) !== undefined) socket.destroy()
    else upgrade(site, req, socket, head)
  }
  server.on('request', onRequest)
  server.on('checkContinue', onRequest)
  // Expectations that nobody knows may be ignored (RFC 9110, section 10.1.1).
  server.on('checkExpectation', onRequest)
  server.on('upgrade', onUpgrade)
  return () => {
    server.off('request', onRequest)
    server.off('checkContinue', onRequest)
    server.off('checkExpectation', onRequest)
    server.off('upgrade', onUpgrade)
  }
}

/** What was no HTTP, or came too late. */
function refuseBytes(problem: FanfareError, error: NodeJS.ErrnoException, socket: Duplex): void {
  const active = activeResponse(socket)
  // Of a request whose own body is no HTTP it is the answer; behind another one it would be taken for that one's.
  const speaks = streamingSockets.has(socket) || (active !== undefined && (active.headersSent || active.req.complete))
  if (error.code === 'ECONNRESET' || !socket.writable || speaks) return void socket.destroy()
  refuseUpgrade(socket, problem)
}

function problemOf(code: string | undefined, headersBytes: number): FanfareError {
  if (code === 'HPE_HEADER_OVERFLOW') return new FanfareError('headers-too-large', `the header fields have more than ${headersBytes} bytes`)
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return new FanfareError('request-timeout', 'the request did not arrive in time')
  return new FanfareError('request-malformed', 'this is no HTTP/1.1')
}
