import { expect } from 'vitest'
import { header, send } from './raw-http.ts'
import type { Answer, RawRequest } from './raw-http.ts'

export interface ProblemDocument {
  readonly status: number
  readonly title: string
  readonly detail: string
  readonly code: string
  readonly [extra: string]: unknown
}

/** A line of a stack, or a place in a source file: nothing a client may ever see. */
export const innards = /(?:\n|\\n)\s+at |\bat [\w.<>]+ \(|node:internal|file:\/\/\/|\/(?:src|dist|node_modules)\/|\.(?:ts|mjs|cjs):\d+/

/** The answer is a problem document as CONTRACT section 7 and RFC 9457 have it, with this status and (where one is named) this code. */
export function expectProblem(answer: Answer, status: number, code?: string): ProblemDocument {
  expect({ status: answer.status, body: answer.body.toString().slice(0, 300) }).toMatchObject({ status })
  expect(header(answer, 'content-type')).toMatch(/^application\/problem\+json\b/)
  const problem = JSON.parse(answer.body.toString()) as ProblemDocument
  expect(problem).toMatchObject({ status, title: expect.stringMatching(/./) as unknown, detail: expect.stringMatching(/./) as unknown })
  expect(problem.code).toMatch(/^[a-z]+(-[a-z]+)*$/)
  if (code !== undefined) expect(problem.code).toBe(code)
  expect(answer.body.toString()).not.toMatch(innards)
  return problem
}

/** Sends the request and expects the refusal; HEAD has no body to look at. */
export async function expectRefusal(port: number, request: RawRequest, status: number, code: string): Promise<void> {
  const answer = await send(port, request)
  if (request.method === 'HEAD') expect(answer.status).toBe(status)
  else expectProblem(answer, status, code)
}

export interface PollAnswer {
  readonly cursor: string
  readonly publications: readonly Envelope[]
  readonly more: boolean
  readonly gaps: readonly { readonly channel: string; readonly reason: string; readonly missed: number | null; readonly at: string }[]
}

export interface Envelope {
  readonly channel: string
  readonly offset: number
  readonly cursor: string
  readonly time: number
  readonly data: unknown
  readonly event?: string
  readonly id?: string
  readonly type?: string
  readonly encoding?: string
}

export interface PublishAnswer {
  readonly channel: string
  readonly offset: number
  readonly cursor: string
  readonly time: number
}

/** Publishes and expects 201. */
export async function publish(
  port: number,
  channel: string,
  body: string | Uint8Array,
  headers: RawRequest['headers'] = [],
): Promise<PublishAnswer> {
  const answer = await send(port, { method: 'POST', path: `/channels/${channel}`, headers, body })
  expect({ status: answer.status, body: answer.body.toString().slice(0, 300) }).toMatchObject({ status: 201 })
  return JSON.parse(answer.body.toString()) as PublishAnswer
}

/** Polls and expects 200. */
export async function poll(port: number, pathAndQuery: string, headers: RawRequest['headers'] = []): Promise<PollAnswer> {
  const answer = await send(port, { path: pathAndQuery, headers })
  expect({ status: answer.status, body: answer.body.toString().slice(0, 300) }).toMatchObject({ status: 200 })
  return JSON.parse(answer.body.toString()) as PollAnswer
}

/** How many publications a channel keeps, by HEAD. */
export async function countOf(port: number, channel: string): Promise<number> {
  const answer = await send(port, { method: 'HEAD', path: `/channels/${channel}` })
  expect(answer.status).toBe(200)
  return Number(header(answer, 'fanfare-count'))
}

/** Receivers that are held, by the server's own count. */
export async function receivers(port: number): Promise<number> {
  const metrics = (await send(port, { path: '/metrics' })).body.toString()
  return [...metrics.matchAll(/^fanfare_receivers\{[^}]*\} (\d+)$/gm)].reduce((sum, [, count]) => sum + Number(count), 0)
}
