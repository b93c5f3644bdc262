import { ByteWriter } from './byte-writer.ts'
import { limits } from './limits.ts'
import { problemOf } from './problem.ts'
import type { Problem } from './problem.ts'
import { decodeUtf8 } from './utf8.ts'

/** An event as a receiver sees it. */
export interface SseReceived {
  /** `message` where the stream named none. */
  readonly event: string
  readonly data: string
  /** The last `id` of the stream up to here. */
  readonly lastEventId: string
}

export interface SseParser {
  /** The id that counts for a reconnect: it moves with blocks that carry no data too. */
  readonly lastEventId: string
  /** The last `retry` of the stream, in milliseconds. */
  readonly retryMs: number | undefined
  /** Takes the next bytes, cut anywhere. A problem is final: a line or an event is too long, and nothing is read any more. */
  push(bytes: Uint8Array): Problem | undefined
}

export interface SseParserOptions {
  /** Longest line and longest event, in bytes. */
  readonly eventBytes?: number
  /** The id to begin with, after a reconnect. */
  readonly lastEventId?: string
}

const lineFeed = 0x0a
const carriageReturn = 0x0d
const colon = 0x3a
const space = 0x20

/**
 * Reads a stream of Server-Sent Events as the HTML Standard, section 9.2.6, has it, whatever the chunks. Work is
 * linear in the bytes. What `onEvent` throws goes to the caller of `push`, and the rest of those bytes is lost: connect anew from the last id.
 */
export function sseParser(onEvent: (event: SseReceived) => void, options: SseParserOptions = {}): SseParser {
  return new IncrementalSseParser(onEvent, options)
}

class IncrementalSseParser implements SseParser {
  lastEventId: string
  retryMs: number | undefined
  readonly #onEvent: (event: SseReceived) => void
  readonly #most: number
  /** The begin of a line whose end has not come yet. */
  readonly #rest = new ByteWriter(256)
  #idBuffer: string
  #event = ''
  #data: string[] = []
  #dataBytes = 0
  #first = true
  #afterReturn = false
  #problem: Problem | undefined

  constructor(onEvent: (event: SseReceived) => void, options: SseParserOptions) {
    this.#onEvent = onEvent
    this.#most = options.eventBytes ?? limits.sseEventBytes
    this.lastEventId = options.lastEventId ?? ''
    this.#idBuffer = this.lastEventId
  }

  push(bytes: Uint8Array): Problem | undefined {
    let from = 0
    // The two searches go on from where they were, so that a stream of one kind of line ends isn't searched for the other again and again.
    let feed = bytes.indexOf(lineFeed)
    let back = bytes.indexOf(carriageReturn)
    while (this.#problem === undefined && from < bytes.length) {
      if (this.#afterReturn) {
        this.#afterReturn = false
        if (bytes[from] === lineFeed) {
          from++
          if (feed >= 0 && feed < from) feed = bytes.indexOf(lineFeed, from)
          continue
        }
      }
      const end = back < 0 || (feed >= 0 && feed < back) ? feed : back
      this.#take(bytes.subarray(from, end < 0 ? bytes.length : end), end >= 0)
      if (end < 0) break
      this.#afterReturn = end === back
      from = end + 1
      if (feed >= 0 && feed < from) feed = bytes.indexOf(lineFeed, from)
      if (back >= 0 && back < from) back = bytes.indexOf(carriageReturn, from)
    }
    return this.#problem
  }

  #take(part: Uint8Array, whole: boolean): void {
    if (this.#rest.length + part.length > this.#most) {
      this.#problem = problemOf('payload-too-large', `a line of the event stream is longer than ${this.#most} bytes`)
    } else if (!whole) {
      this.#rest.raw(part)
    } else if (this.#rest.length === 0) {
      this.#line(part)
    } else {
      this.#rest.raw(part)
      const line = this.#rest.slice()
      this.#rest.clear()
      this.#line(line)
    }
  }

  #line(bytes: Uint8Array): void {
    const line = this.#first ? withoutMark(bytes) : bytes
    this.#first = false
    if (line.length === 0) return this.#dispatch()
    const colonAt = line.indexOf(colon)
    if (colonAt === 0) return
    const nameEnd = colonAt < 0 ? line.length : colonAt
    if (nameEnd > 5) return
    const name = decodeUtf8(line, 0, nameEnd)
    const valueAt = colonAt < 0 ? line.length : line[colonAt + 1] === space ? colonAt + 2 : colonAt + 1
    this.#field(name, line, valueAt)
  }

  #field(name: string, line: Uint8Array, valueAt: number): void {
    if (name === 'data') {
      this.#dataBytes += line.length + 1
      if (this.#dataBytes > this.#most) {
        this.#problem = problemOf('payload-too-large', `an event of the stream is longer than ${this.#most} bytes`)
      } else this.#data.push(decodeUtf8(line, valueAt))
    } else if (name === 'event') {
      this.#event = decodeUtf8(line, valueAt)
    } else if (name === 'id') {
      if (!line.includes(0, valueAt)) this.#idBuffer = decodeUtf8(line, valueAt)
    } else if (name === 'retry') {
      const digits = decodeUtf8(line, valueAt)
      if (/^[0-9]+$/.test(digits)) this.retryMs = Math.min(Number(digits), Number.MAX_SAFE_INTEGER)
    }
  }

  #dispatch(): void {
    this.lastEventId = this.#idBuffer
    const event = this.#event
    this.#event = ''
    if (this.#data.length === 0) return
    const data = this.#data.length === 1 ? (this.#data[0] ?? '') : this.#data.join('\n')
    this.#data = []
    this.#dataBytes = 0
    this.#onEvent({ event: event === '' ? 'message' : event, data, lastEventId: this.lastEventId })
  }
}

/** One byte order mark at the begin of the stream is not part of it. */
function withoutMark(line: Uint8Array): Uint8Array {
  return line[0] === 0xef && line[1] === 0xbb && line[2] === 0xbf ? line.subarray(3) : line
}
