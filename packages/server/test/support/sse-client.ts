import { openRaw, waitMs } from './raw-client.ts'
import type { RawConnection } from './raw-client.ts'
import { header, readChunk, readHead, requestBytes } from './raw-http.ts'
import type { RawRequest } from './raw-http.ts'

/** An event as a browser's EventSource gives it. */
export interface SseEvent {
  readonly event: string
  readonly data: string
  /** The last event id when it was dispatched. */
  readonly id: string
}

/**
 * The event stream of the WHATWG's HTML standard (section 9.2.6), written down for the tests alone: it shares nothing with what it checks.
 */
export class SseReader {
  readonly #connection: RawConnection
  readonly #decoder = new TextDecoder('utf-8')
  readonly #events: SseEvent[] = []
  #text = ''
  #data: string[] = []
  #event = ''
  #id = ''
  /** The value of the last `retry` field. */
  retry: number | undefined
  readonly comments: string[] = []

  constructor(connection: RawConnection) {
    this.#connection = connection
  }

  get lastEventId(): string {
    return this.#id
  }

  async next(ms = waitMs): Promise<SseEvent> {
    for (;;) {
      const event = this.#events.shift()
      if (event !== undefined) return event
      const chunk = await readChunk(this.#connection, ms)
      if (chunk.length === 0) throw new Error('the stream ended before the next event')
      this.#feed(this.#decoder.decode(chunk, { stream: true }))
    }
  }

  close(): void {
    this.#connection.close()
  }

  #feed(text: string): void {
    this.#text += text
    for (;;) {
      const end = /\r\n|\n|\r(?=[^])/.exec(this.#text)
      if (end === null) return
      const line = this.#text.slice(0, end.index)
      this.#text = this.#text.slice(end.index + end[0].length)
      this.#line(line)
    }
  }

  #line(line: string): void {
    if (line === '') return this.#dispatch()
    if (line.startsWith(':')) return void this.comments.push(line.slice(1))
    const colon = line.indexOf(':')
    const field = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
    if (field === 'data') this.#data.push(value)
    if (field === 'event') this.#event = value
    if (field === 'id' && !value.includes('\0')) this.#id = value
    if (field === 'retry' && /^[0-9]+$/.test(value)) this.retry = Number(value)
  }

  #dispatch(): void {
    if (this.#data.length > 0)
      this.#events.push({ event: this.#event === '' ? 'message' : this.#event, data: this.#data.join('\n'), id: this.#id })
    this.#data = []
    this.#event = ''
  }
}

/** Opens an event stream and expects 200. */
export async function openSse(port: number, path: string, headers: RawRequest['headers'] = []): Promise<SseReader> {
  const connection = await openRaw(port)
  connection.send(requestBytes(port, { path, headers: [['Accept', 'text/event-stream'], ...headers] }))
  const head = await readHead(connection)
  if (head.status !== 200) throw new Error(`no event stream but the status ${head.status}`)
  if (!/^text\/event-stream\b/.test(header(head, 'content-type') ?? ''))
    throw new Error(`no event stream but ${header(head, 'content-type')}`)
  return new SseReader(connection)
}
