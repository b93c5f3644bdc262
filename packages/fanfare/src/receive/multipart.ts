import { limits } from '@fanfare/wire'
import { bodyOf, refusalOf } from '../http-client.ts'
import { cutBy, endedBy, gapOf, publicationOf, receivePath } from './parts.ts'
import type { Ended, ReceiveOptions, Received } from './receive.ts'

// The server's heartbeat comes every 15 s.
const silenceMs = 45_000

/** A part a publication, with the envelope as its body (RFC 2046, section 5.1). */
export async function receiveMultipart(options: ReceiveOptions): Promise<Ended> {
  const { url, client, channels, begin, signal } = options
  try {
    const path = receivePath(channels, { ...begin, transport: 'multipart', envelope: '1' })
    const answer = await client.request({ path, headers: { Accept: 'multipart/mixed' }, silenceMs, signal })
    if (answer.statusCode !== 200) return endedBy(refusalOf(answer.statusCode ?? 0, answer.headers, await bodyOf(answer)))
    const boundary = boundaryOf(answer.headers['content-type'] ?? '')
    if (boundary === undefined) {
      answer.destroy()
      return { kind: 'refused', why: `what listens at ${url.origin} answers, but not with parts` }
    }
    return await readParts(answer, boundary, options)
  } catch (error) {
    return error instanceof SyntaxError ? { kind: 'refused', why: `${url.origin} sent ${error.message}` } : cutBy(error, url)
  }
}

function boundaryOf(type: string): string | undefined {
  const found = /^multipart\/mixed\s*;.*?\bboundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i.exec(type)
  return found?.[1] ?? found?.[2]
}

async function readParts(body: AsyncIterable<Buffer>, boundary: string, { take }: ReceiveOptions): Promise<Ended> {
  // A part that ends too early, where the connection was cut, is none.
  const parts = new PartSplitter(boundary)
  let opened = false
  let error: { readonly message?: string; readonly after?: number } = {}
  for await (const chunk of body) {
    for (const part of parts.push(chunk)) {
      if (part.fields.has('fanfare-error')) ({ error } = JSON.parse(part.body.toString()) as { error: typeof error })
      const received = receivedOf(part)
      // A later server may send what this receiver does not know.
      if (received === undefined) continue
      if (!opened) await take({ kind: 'opened' })
      opened = true
      await take(received)
    }
  }
  const { message, after } = error
  return { kind: 'cut', why: `the server ended the stream${message === undefined ? '' : ` (${message})`}`, afterMs: after }
}

/** What a part is, its labels say. */
function receivedOf({ fields, body }: Part): Received | undefined {
  const known = (received: Received | undefined): Received => {
    if (received === undefined) throw new SyntaxError("a part that Fanfare doesn't send")
    return received
  }
  if (fields.has('fanfare-gap')) return known(gapOf(body))
  if (fields.has('fanfare-offset')) return known(publicationOf(body))
  const cursor = fields.get('fanfare-cursor')
  return cursor === undefined ? undefined : { kind: 'place', cursor }
}

interface Part {
  /** Names in lower case. */
  readonly fields: ReadonlyMap<string, string>
  readonly body: Buffer
}

const headEnd = '\r\n\r\n'

/** Cuts a stream of bytes into parts, each by the length that stands before it. Throws a SyntaxError for anything else than Fanfare's parts. */
class PartSplitter {
  readonly #delimiter: string
  #rest: Buffer = Buffer.alloc(0)
  #begun = false
  #closed = false

  constructor(boundary: string) {
    this.#delimiter = `--${boundary}`
  }

  /** The parts whose delimiter ends in these bytes. */
  *push(bytes: Buffer): Iterable<Part> {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes])
    if (!this.#begun) {
      const first = `${this.#delimiter}\r\n`
      if (this.#rest.length < first.length) return
      this.#expect(0, first)
      this.#rest = this.#rest.subarray(first.length)
      this.#begun = true
    }
    // What stands behind the last part is nobody's (RFC 2046, section 5.1.1).
    while (!this.#closed) {
      const part = this.#next()
      if (part === undefined) return
      yield part
    }
  }

  #next(): Part | undefined {
    const head = this.#rest.indexOf(headEnd)
    if (head > limits.headersBytes || (head < 0 && this.#rest.length > limits.headersBytes))
      throw new SyntaxError('a part without an end of its head')
    if (head < 0) return undefined
    const fields = fieldsOf(this.#rest.toString('latin1', 0, head))
    const length = Number(fields.get('content-length') ?? Number.NaN)
    if (!Number.isSafeInteger(length) || length < 0 || length > limits.sseEventBytes) throw new SyntaxError('a part without its length')
    const end = head + headEnd.length + length
    const next = end + 2 + this.#delimiter.length + 2
    if (this.#rest.length < next) return undefined
    this.#expect(end, `\r\n${this.#delimiter}`)
    this.#closed = this.#rest.toString('latin1', next - 2, next) === '--'
    if (!this.#closed) this.#expect(next - 2, '\r\n')
    const raw = this.#rest.subarray(head + headEnd.length, end)
    this.#rest = this.#rest.subarray(next)
    const coded = fields.get('content-transfer-encoding')?.toLowerCase() === 'base64'
    return { fields, body: coded ? Buffer.from(raw.toString('latin1'), 'base64') : raw }
  }

  #expect(at: number, text: string): void {
    if (this.#rest.toString('latin1', at, at + text.length) !== text) throw new SyntaxError('parts that are none')
  }
}

function fieldsOf(head: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>()
  for (const line of head.split('\r\n')) {
    const colon = line.indexOf(':')
    if (colon > 0) fields.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim())
  }
  return fields
}
