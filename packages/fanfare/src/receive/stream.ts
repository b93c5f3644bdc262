import { isProblem, limits, scanObject } from '@fanfare/wire'
import { bodyOf, refusalOf } from '../http-client.ts'
import { LineSplitter } from '../lines.ts'
import { cutBy, endedBy, receivedOf, receivePath } from './parts.ts'
import type { Ended, ReceiveOptions } from './receive.ts'

// The server's heartbeat comes every 15 s.
const silenceMs = 45_000

/** A JSON object a line. */
export async function receiveStream(options: ReceiveOptions): Promise<Ended> {
  const { url, client, channels, begin, signal } = options
  try {
    const path = receivePath(channels, { ...begin, transport: 'stream' })
    const answer = await client.request({ path, headers: { Accept: 'application/x-ndjson' }, silenceMs, signal })
    if (answer.statusCode !== 200) return endedBy(refusalOf(answer.statusCode ?? 0, answer.headers, await bodyOf(answer)))
    if (!/^application\/x-ndjson\b/.test(answer.headers['content-type'] ?? '')) {
      answer.destroy()
      return { kind: 'refused', why: `what listens at ${url.origin} answers, but not with lines of JSON` }
    }
    return await readLines(answer, options)
  } catch (error) {
    return cutBy(error, url)
  }
}

async function readLines(body: AsyncIterable<Buffer>, { url, take }: ReceiveOptions): Promise<Ended> {
  // A line that ends too early, where the connection was cut, is none.
  const lines = new LineSplitter(limits.sseEventBytes)
  let opened = false
  let told: Told = {}
  for await (const chunk of body) {
    for (const line of lines.push(chunk)) {
      const received = receivedOf(line)
      if (received === undefined) {
        if (isProblem(scanObject(line))) return { kind: 'refused', why: `${url.origin} sent a line that Fanfare doesn't send` }
        // A later server may send what this receiver does not know.
        told = toldBy(line)
        continue
      }
      if (!opened) await take({ kind: 'opened' })
      opened = true
      await take(received)
    }
  }
  const { message, after } = told.error ?? {}
  return { kind: 'cut', why: `the server ended the stream${message === undefined ? '' : ` (${message})`}`, afterMs: after }
}

interface Told {
  readonly error?: { readonly message?: string; readonly after?: number }
}

function toldBy(line: Buffer): Told {
  return JSON.parse(line.toString()) as Told
}
