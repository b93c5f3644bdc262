import http from 'node:http'
import type { ClientRequest, IncomingHttpHeaders, IncomingMessage } from 'node:http'
import https from 'node:https'
import { errors, isProblem, jsonString, scanObject } from '@fanfare/wire'
import type { ErrorCode } from '@fanfare/wire'

/** One connection to a server, kept between requests. */
export interface HttpClient {
  /** Begins a request. `path` stands below the server's address. Resolves with the answer's head; its body is read by the caller. */
  request(ask: HttpAsk): Promise<IncomingMessage>
  close(): void
}

export interface HttpAsk {
  readonly method?: 'GET' | 'POST'
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  /** Longest silence before and within the answer. */
  readonly silenceMs: number
  readonly signal?: AbortSignal | undefined
}

/** Nothing was heard for too long. */
export class SilenceError extends Error {
  readonly code = 'ETIMEDOUT'
}

export function httpClient(base: URL): HttpClient {
  const module = base.protocol === 'https:' ? https : http
  const agent = new module.Agent({ keepAlive: true, maxSockets: 1 })
  return {
    request: (ask) =>
      new Promise((resolve, reject) => {
        const { method = 'GET', headers, body, silenceMs, signal } = ask
        const length = body === undefined ? {} : { 'Content-Length': String(body.length) }
        const request: ClientRequest = module.request(addressOf(base, ask.path), {
          method,
          agent,
          headers: { ...headers, ...length },
          signal,
        })
        request.setTimeout(silenceMs, () => request.destroy(new SilenceError(`no word for ${silenceMs / 1000} s`)))
        request.once('response', resolve)
        request.once('error', reject)
        request.end(body)
      }),
    close: () => agent.destroy(),
  }
}

/** The address of a path below a server's own, which may have a path itself. */
export function addressOf(base: URL, path: string): URL {
  return new URL(base.href.replace(/\/$/, '') + path)
}

/** The path of a channel: each segment percent-encoded. */
export function channelPath(channel: string): string {
  return `/channels/${channel.split('/').map(encodeURIComponent).join('/')}`
}

const answerBytesMost = 16 * 1024 * 1024

/** The whole body. Rejects where it is longer than any that Fanfare sends. */
export async function bodyOf(answer: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = []
  let bytes = 0
  for await (const part of answer as AsyncIterable<Buffer>) {
    parts.push(part)
    bytes += part.length
    if (bytes > answerBytesMost) throw new Error(`the answer is longer than ${answerBytesMost} bytes`)
  }
  return Buffer.concat(parts)
}

/** What a server says that didn't do what it was asked. */
export interface Refusal {
  readonly status: number
  /** From a problem document (RFC 9457), where it is one. */
  readonly code: string | undefined
  readonly text: string
  /** The item of a batch that is meant. */
  readonly index: number | undefined
  /** The same may succeed later. */
  readonly again: boolean
  readonly afterMs: number | undefined
}

// What a proxy says that a server comes back from.
const againStatuses = new Set([408, 425, 429, 500, 502, 503, 504])

function isErrorCode(code: string | undefined): code is ErrorCode {
  return code !== undefined && Object.hasOwn(errors, code)
}

/** Reads a refusal from an answer's head and body. */
export function refusalOf(status: number, headers: IncomingHttpHeaders, body: Uint8Array): Refusal {
  const members = scanObject(body)
  const text = (name: string): string | undefined => {
    const slice = isProblem(members) ? undefined : members.get(name)
    return slice === undefined ? undefined : jsonString(slice)
  }
  const index = isProblem(members) ? undefined : members.get('index')
  const code = text('code')
  const said = [text('title'), text('detail')].filter((part) => part !== undefined && part !== '')
  return {
    status,
    code,
    text: said.length === 0 ? `the server answered ${status}` : `${said.join(': ')} (${status})`,
    index: index === undefined ? undefined : Number(Buffer.from(index).toString()),
    again: isErrorCode(code) ? errors[code].retry : againStatuses.has(status),
    afterMs: retryAfterMs(headers['retry-after']),
  }
}

/** `Retry-After` in seconds (RFC 9110, section 10.2.3); dates are not used by Fanfare. */
function retryAfterMs(header: string | undefined): number | undefined {
  return header !== undefined && /^[0-9]{1,6}$/.test(header) ? Number(header) * 1000 : undefined
}

// Nothing of the request can have arrived when one of these is told.
const neverArrived = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'EADDRNOTAVAIL'])

/** True where an error proves that the server got nothing. */
export function provesUnsent(error: unknown): boolean {
  return neverArrived.has(codeOf(error)) || isUntrusted(error)
}

const unknownAuthority = 'its authority is not known here (NODE_EXTRA_CA_CERTS=FILE names one), or it lacks what stands between'

// What node says of a certificate, before anything is sent.
const distrust = new Map([
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'it is signed by itself (NODE_EXTRA_CA_CERTS=FILE names one to trust)'],
  ['SELF_SIGNED_CERT_IN_CHAIN', unknownAuthority],
  ['UNABLE_TO_GET_ISSUER_CERT', unknownAuthority],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', unknownAuthority],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', unknownAuthority],
  ['CERT_HAS_EXPIRED', 'it has expired'],
  ['CERT_NOT_YET_VALID', 'it is not valid yet, or the clock of this machine is wrong'],
  ['CERT_REVOKED', 'it was revoked'],
  ['CERT_SIGNATURE_FAILURE', 'its signature is wrong'],
  ['INVALID_CA', 'who signed it may not sign others'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'it is for other names'],
])

/** The server's certificate isn't trusted: waiting alone seldom mends that. */
export function isUntrusted(error: unknown): boolean {
  return distrust.has(codeOf(error))
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

/** A failure of the connection in words. */
export function troubleOf(error: unknown, base: URL): string {
  const code = codeOf(error)
  const why = distrust.get(code)
  if (why !== undefined) return `the certificate of ${base.origin} is not trusted: ${why}`
  if (base.protocol === 'https:' && (code === 'EPROTO' || code.startsWith('ERR_SSL_')))
    return `${base.origin} speaks no TLS that this knows`
  if (code === 'ECONNREFUSED') return `nobody listens at ${base.origin}`
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return `there is no address for ${base.hostname}`
  if (code === 'ECONNRESET' || code === 'EPIPE') return `${base.origin} closed the connection`
  return `${base.origin}: ${error instanceof Error ? error.message : String(error)}`
}
