import { bodyOf, endOfRefusal, openHttp } from './http.ts'
import type { Asked } from './http.ts'
import { ToldQueue } from './receiver.ts'
import type { Receiving, Told } from './receiver.ts'

/** Reads a body piece by piece; what it throws ends the receiving. */
export interface BodyReader {
  take(chunk: Uint8Array): readonly Told[]
}

/** An answer of status 200 with this media type, read as it comes until it ends or is cut. */
export function openBody(url: string, asked: Asked, type: RegExp, read: (contentType: string, policy: string) => BodyReader): Receiving {
  const abort = new AbortController()
  const queue = new ToldQueue(() => abort.abort())
  void receive(url, asked, type, read, queue, abort.signal)
  return queue
}

async function receive(
  url: string,
  asked: Asked,
  type: RegExp,
  read: (contentType: string, policy: string) => BodyReader,
  queue: ToldQueue,
  signal: AbortSignal,
): Promise<void> {
  try {
    const response = await openHttp(url, asked, signal)
    const status = response.statusCode ?? 0
    if (status !== 200) return queue.push(endOfRefusal(status, response.headers, await bodyOf(response)))
    const contentType = response.headers['content-type'] ?? ''
    if (!type.test(contentType)) return queue.push({ kind: 'end', code: status, reason: `content type ${contentType}` })
    const reader = read(contentType, String(response.headers['content-security-policy'] ?? ''))
    for await (const chunk of response as AsyncIterable<Uint8Array>) for (const told of reader.take(chunk)) queue.push(told)
    queue.push({ kind: 'end', code: 200, reason: 'the answer ended' })
  } catch (error) {
    queue.push({ kind: 'end', code: 0, reason: String(error) })
  }
}
