import { expect } from 'vitest'
import { expectProblem } from './problems.ts'
import { openRaw } from './raw-client.ts'
import { header, readChunk, readHead, requestBytes, send } from './raw-http.ts'
import type { Answer, RawRequest } from './raw-http.ts'
import { handshakeHeaders, tryHandshake } from './raw-websocket.ts'

/** The eight transports, each with the parameters that choose it. A server of a test needs `transports: 'all'` for them. */
export const eight = [
  { name: 'poll', words: 'transport=poll' },
  { name: 'long-poll', words: 'transport=long-poll' },
  { name: 'sse', words: 'transport=sse' },
  { name: 'stream', words: 'transport=stream' },
  { name: 'multipart', words: 'transport=multipart' },
  { name: 'iframe', words: 'transport=iframe&callback=cb' },
  { name: 'jsonp', words: 'transport=jsonp&callback=cb' },
  { name: 'websocket', words: '' },
] as const
export type One = (typeof eight)[number]

/** The address with these parameters; what is asked for besides goes before those that choose the transport. */
export function pathOver({ words }: One, path: string, query = ''): string {
  const all = [query, words].filter((part) => part !== '').join('&')
  return all === '' ? path : `${path}${path.includes('?') ? '&' : '?'}${all}`
}

/** Asks over the transport; the whole answer where it is a refusal, else its head. */
export async function askOver(port: number, one: One, path: string, headers: NonNullable<RawRequest['headers']> = []): Promise<Answer> {
  if (one.name === 'websocket') {
    const answer = await tryHandshake(port, path, [...handshakeHeaders(), ...headers])
    answer.connection.close()
    return answer
  }
  const connection = await openRaw(port)
  try {
    connection.send(requestBytes(port, { path, headers }))
    const head = await readHead(connection)
    if (head.status >= 400) return { ...head, body: await bodyOf(connection, head) }
    return { ...head, body: Buffer.alloc(0) }
  } finally {
    connection.close()
  }
}

async function bodyOf(connection: Awaited<ReturnType<typeof openRaw>>, head: Awaited<ReturnType<typeof readHead>>): Promise<Buffer> {
  const length = Number(header(head, 'content-length') ?? Number.NaN)
  expect(length).toBeGreaterThanOrEqual(0)
  return await connection.until('the body of a refusal', (pending) =>
    pending.length < length ? undefined : Buffer.from(pending.subarray(0, length)),
  )
}

/** A refusal with a status of its own, on all eight. */
export async function expectRefusedOverAll(
  port: number,
  path: string,
  query: string,
  { status, code, headers }: { status: number; code: string; headers?: NonNullable<RawRequest['headers']> },
): Promise<void> {
  for (const one of eight) {
    const answer = await askOver(port, one, pathOver(one, path, query), headers)
    const said = { over: one.name, status: answer.status, code: codeOf(answer) }
    expect(said).toEqual({ over: one.name, status, code })
    expectProblem(answer, status, code)
  }
}

function codeOf(answer: Answer): string {
  return answer.body.length === 0 ? '' : (JSON.parse(answer.body.toString()) as { code: string }).code
}

/** What scripts say by a call, with status 200, and all others by a status of their own. */
export async function expectToldOverAll(
  port: number,
  path: string,
  query: string,
  { status, code, headers }: { status: number; code: string; headers?: NonNullable<RawRequest['headers']> },
): Promise<void> {
  for (const one of eight) {
    const address = pathOver(one, path, query)
    if (one.name !== 'iframe' && one.name !== 'jsonp') expectProblem(await askOver(port, one, address, headers), status, code)
    else {
      const error = errorOf(one.name === 'jsonp' ? await jsonpCall(port, address, headers) : await frameCall(port, address, headers))
      expect({ over: one.name, ...error }).toMatchObject({ over: one.name, status, code, message: expect.stringMatching(/./) as unknown })
    }
  }
}

function errorOf(json: string): Record<string, unknown> {
  return (JSON.parse(json) as { error?: Record<string, unknown> }).error ?? { told: json }
}

/** What the callback `cb` of an answer is called with; JSON, but for the escapes of scripts. */
export async function jsonpCall(port: number, path: string, headers: NonNullable<RawRequest['headers']> = []): Promise<string> {
  const answer = await send(port, { path, headers })
  const found = /^\/\*\*\/cb\((.*)\)$/s.exec(answer.body.toString())
  expect({ status: answer.status, called: found !== null }).toEqual({ status: 200, called: true })
  return found?.[1] ?? ''
}

/** What the first call of a frame's document has, or the one after so many. */
export async function frameCall(
  port: number,
  path: string,
  headers: NonNullable<RawRequest['headers']> = [],
  skipped = 0,
): Promise<string> {
  const connection = await openRaw(port)
  try {
    connection.send(requestBytes(port, { path, headers }))
    expect((await readHead(connection)).status).toBe(200)
    let html = ''
    for (;;) {
      html += (await readChunk(connection)).toString()
      const calls = [...html.matchAll(/<script nonce="[\w-]+">parent\.cb\((.*?)\)<\/script>\n/gs)]
      const call = calls[skipped]?.[1]
      if (call !== undefined) return call
    }
  } finally {
    connection.close()
  }
}
