import http from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface FakeServer {
  readonly url: string
  readonly requests: { method: string; path: string; headers: http.IncomingHttpHeaders; body: string }[]
  close(): Promise<void>
}

/** A server that answers as the test says, and remembers what it was asked. */
export async function fakeServer(answer: (request: IncomingMessage, response: ServerResponse, body: string) => void): Promise<FakeServer> {
  const requests: FakeServer['requests'] = []
  const server = http.createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      const body = Buffer.concat(parts).toString()
      requests.push({ method: request.method ?? '', path: request.url ?? '', headers: request.headers, body })
      answer(request, response, body)
    })
  })
  await new Promise<void>((resolve) => server.listen({ host: '127.0.0.1', port: 0 }, resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    close: () => {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}

/** A log that takes atomic batches as CONTRACT section 3 says: a key that it knows gives the first answer again. */
export class FakeLog {
  readonly payloads: string[] = []
  readonly batches: number[] = []
  readonly #answers = new Map<string, string>()

  /** The answer to a batch, and whether it was stored now. */
  append(key: string, body: string): string {
    const known = this.#answers.get(key)
    if (known !== undefined) return known
    const items = body
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as { channel: string; data: unknown })
    const answer = JSON.stringify(
      items.map(({ channel, data }) => ({
        channel,
        offset: this.payloads.push(typeof data === 'string' ? data : JSON.stringify(data)),
        cursor: 'x',
        time: 1,
      })),
    )
    this.batches.push(items.length)
    this.#answers.set(key, answer)
    return answer
  }
}

export function problem(
  response: ServerResponse,
  status: number,
  members: Record<string, unknown> = {},
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'Content-Type': 'application/problem+json', ...headers })
  response.end(JSON.stringify({ status, title: 'No', ...members }))
}
