import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { ClientRequest, IncomingMessage } from 'node:http'
import { afterAll, beforeAll, expect } from 'vitest'
import { checkAnswer } from './openapi.ts'

/** Holds each answer that Node's own client gets in this file's tests against openapi.json; their bodies are the clients' to read. */
export function observeClients(): void {
  const undescribed = new Set<string>()
  let answers = 0
  const finished = (message: unknown): void => {
    const { request, response } = message as { readonly request: ClientRequest; readonly response: IncomingMessage }
    const { rawHeaders, statusCode = 0 } = response
    const headers = new Map<string, string[]>()
    for (let i = 0; i < rawHeaders.length; i += 2) headers.set((rawHeaders[i] ?? '').toLowerCase(), [rawHeaders[i + 1] ?? ''])
    const upgrade = request.getHeader('upgrade') !== undefined
    answers++
    try {
      checkAnswer({ method: request.method, target: request.path, upgrade }, { version: 'HTTP/1.1', status: statusCode, headers })
    } catch (error) {
      undescribed.add((error as Error).message)
    }
  }
  beforeAll(() => subscribe('http.client.response.finish', finished))
  afterAll(() => {
    unsubscribe('http.client.response.finish', finished)
    expect(answers).toBeGreaterThan(0)
    expect([...undescribed]).toEqual([])
  })
}
