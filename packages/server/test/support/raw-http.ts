import { checkAnswer } from './openapi.ts'
import { asRequest, openRaw, waitMs } from './raw-client.ts'
import type { RawConnection } from './raw-client.ts'

/** The head of an answer; names of headers are in lower case, each with all its values. */
export interface Head {
  readonly version: string
  readonly status: number
  readonly headers: ReadonlyMap<string, readonly string[]>
}

export interface Answer extends Head {
  readonly body: Buffer
}

export interface RawRequest {
  readonly method?: string
  /** Goes on the wire as it is. */
  readonly path: string
  /** Pairs, so that a header can come twice; `Host` and `Content-Length` are added where they are not given. `null` leaves one of these two out. */
  readonly headers?: readonly (readonly [string, string | null])[]
  readonly body?: string | Uint8Array
  readonly version?: string
}

/** The bytes of a request. Headers are written as Latin-1, so that any byte can be sent. */
export function requestBytes(port: number, request: RawRequest): Buffer {
  const given = new Set((request.headers ?? []).map(([name]) => name.toLowerCase()))
  const body = request.body === undefined ? undefined : Buffer.from(request.body)
  const lines = [`${request.method ?? 'GET'} ${request.path} ${request.version ?? 'HTTP/1.1'}`]
  if (!given.has('host')) lines.push(`Host: 127.0.0.1:${port}`)
  for (const [name, value] of request.headers ?? []) if (value !== null) lines.push(`${name}: ${value}`)
  if (body !== undefined && !given.has('content-length') && !given.has('transfer-encoding')) lines.push(`Content-Length: ${body.length}`)
  const bytes = Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), body ?? Buffer.alloc(0)])
  // Any other offer may be ignored.
  const upgrade = (request.headers ?? []).some(([name, value]) => name.toLowerCase() === 'upgrade' && /websocket/i.test(value ?? ''))
  return asRequest(bytes, { method: request.method ?? 'GET', target: request.path, upgrade })
}

/** Sends one request on a connection of its own and reads the whole answer. */
export async function send(port: number, request: RawRequest): Promise<Answer> {
  const connection = await openRaw(port)
  try {
    connection.send(requestBytes(port, request))
    return await readAnswer(connection, request.method ?? 'GET')
  } finally {
    connection.close()
  }
}

/** Sends one request and reads the head; the body only of a refusal, for that of a stream has no end. */
export async function sendForHead(port: number, request: RawRequest): Promise<Answer> {
  const connection = await openRaw(port)
  try {
    connection.send(requestBytes(port, request))
    const head = await takeHead(connection, waitMs)
    if (head.status < 400) checkAnswer(connection.takeAsked(), head)
    return head.status < 400 ? { ...head, body: Buffer.alloc(0) } : await withBody(connection, head, request.method ?? 'GET', waitMs)
  } finally {
    connection.close()
  }
}

/** Sends the bytes as they are and reads one answer. */
export async function sendBytes(port: number, bytes: Uint8Array | string, method = 'GET'): Promise<Answer> {
  const connection = await openRaw(port)
  try {
    connection.send(bytes)
    return await readAnswer(connection, method)
  } finally {
    connection.close()
  }
}

/** Reads an answer whose body has an end; informational answers (1xx but 101) are passed over. */
export async function readAnswer(connection: RawConnection, method: string, ms = waitMs): Promise<Answer> {
  let head = await takeHead(connection, ms)
  while (isInformational(head)) head = await takeHead(connection, ms)
  return await withBody(connection, head, method, ms)
}

async function withBody(connection: RawConnection, head: Head, method: string, ms: number): Promise<Answer> {
  const asked = connection.takeAsked()
  const body = await readBody(connection, head, method, ms)
  checkAnswer(asked, head, body)
  return { ...head, body }
}

/** Reads the head of an answer; its body, which may have no end, is the caller's to read. */
export async function readHead(connection: RawConnection, ms = waitMs): Promise<Head> {
  const head = await takeHead(connection, ms)
  if (!isInformational(head)) checkAnswer(connection.takeAsked(), head)
  return head
}

function isInformational({ status }: Head): boolean {
  return status < 200 && status !== 101
}

async function takeHead(connection: RawConnection, ms: number): Promise<Head> {
  const text = await connection.until(
    'the head of an answer',
    (pending) => {
      const end = pending.indexOf('\r\n\r\n')
      if (end < 0) return undefined
      const head = pending.subarray(0, end).toString('latin1')
      connection.drop(end + 4)
      return head
    },
    ms,
  )
  return parseHead(text)
}

export function parseHead(text: string): Head {
  const [first = '', ...lines] = text.split('\r\n')
  const found = /^(HTTP\/1\.[01]) ([1-5][0-9][0-9]) ?(.*)$/.exec(first)
  if (found === null) throw new Error(`no status line: ${JSON.stringify(first)}`)
  const headers = new Map<string, string[]>()
  for (const line of lines) {
    const colon = line.indexOf(':')
    if (colon <= 0 || /[\r\n\0]/.test(line)) throw new Error(`no header: ${JSON.stringify(line)}`)
    const name = line.slice(0, colon).toLowerCase()
    headers.set(name, [...(headers.get(name) ?? []), line.slice(colon + 1).trim()])
  }
  return { version: found[1] ?? '', status: Number(found[2]), headers }
}

/** All values of a header in one line, or undefined. */
export function header(head: Head, name: string): string | undefined {
  return head.headers.get(name.toLowerCase())?.join(', ')
}

async function readBody(connection: RawConnection, head: Head, method: string, ms: number): Promise<Buffer> {
  if (method === 'HEAD' || head.status === 101 || head.status === 204 || head.status === 304) return Buffer.alloc(0)
  if (header(head, 'transfer-encoding') === 'chunked') return await readChunked(connection, ms)
  const length = header(head, 'content-length')
  if (length === undefined) return await connection.untilEnd('the end of a body without length', ms)
  const bytes = Number(length)
  return await connection.until(
    `${bytes} bytes of body`,
    (pending) => {
      if (pending.length < bytes) return undefined
      const body = Buffer.from(pending.subarray(0, bytes))
      connection.drop(bytes)
      return body
    },
    ms,
  )
}

async function readChunked(connection: RawConnection, ms: number): Promise<Buffer> {
  const parts: Buffer[] = []
  for (;;) {
    const part = await readChunk(connection, ms)
    if (part.length === 0) return Buffer.concat(parts)
    parts.push(part)
  }
}

/** The next chunk of a chunked body; the last one is empty. */
export async function readChunk(connection: RawConnection, ms = waitMs): Promise<Buffer> {
  return await connection.until(
    'a chunk',
    (pending) => {
      const line = pending.indexOf('\r\n')
      if (line < 0) return undefined
      const size = Number.parseInt(pending.subarray(0, line).toString('latin1'), 16)
      if (Number.isNaN(size)) throw new Error(`no chunk: ${JSON.stringify(pending.subarray(0, 40).toString('latin1'))}`)
      if (pending.length < line + 2 + size + 2) return undefined
      const chunk = Buffer.from(pending.subarray(line + 2, line + 2 + size))
      connection.drop(line + 2 + size + 2)
      return chunk
    },
    ms,
  )
}
