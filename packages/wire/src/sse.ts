import { writeBase64 } from './base64.ts'
import type { ByteWriter } from './byte-writer.ts'
import type { Format, Gap } from './publication.ts'
import { gapJson } from './publication.ts'

/** One event of Server-Sent Events (HTML Standard, section 9.2). */
export interface SseEvent {
  /** The cursor. */
  readonly id?: string | undefined
  readonly event?: string | undefined
  readonly data: Uint8Array
  readonly format: Format
}

/**
 * Writes an event with its closing empty line. Text and JSON go line by line: CRLF, CR and LF all end a line, which the receiver reads as LF. Bytes go as
 * base64. Throws a RangeError where id or event hold what the format can't carry (line ends, NUL), which names and cursors never do.
 */
export function writeSseEvent(out: ByteWriter, event: SseEvent): void {
  if (event.id !== undefined) writeField(out, 'id: ', event.id)
  if (event.event !== undefined) writeField(out, 'event: ', event.event)
  if (event.format === 'bytes') {
    out.ascii('data: ')
    writeBase64(out, event.data)
    out.ascii('\n\n')
  } else {
    writeLines(out, event.data)
    out.byte(lineFeed)
  }
}

/** How long the receiver waits before it connects again. */
export function writeSseRetry(out: ByteWriter, retryMs: number): void {
  out.ascii(`retry: ${Math.trunc(retryMs)}\n\n`)
}

/** The first event: the place where the receiver begins, before any publication. */
export function writeSseReady(out: ByteWriter, cursor: string): void {
  writeField(out, 'id: ', cursor)
  out.ascii('event: fanfare.ready\ndata: {}\n\n')
}

/** Has no id: a receiver that is cut right after it resumes from the old place and is told again. */
export function writeSseGap(out: ByteWriter, gap: Gap): void {
  out.ascii('event: fanfare.gap\ndata: ')
  out.utf8(gapJson(gap))
  out.ascii('\n\n')
}

/** A block without data moves the receiver's place and dispatches nothing; without a cursor it is a comment. */
export function writeSseHeartbeat(out: ByteWriter, cursor?: string): void {
  if (cursor === undefined) return out.ascii(':\n\n')
  writeField(out, 'id: ', cursor)
  out.byte(lineFeed)
}

const lineFeed = 0x0a
const carriageReturn = 0x0d

function writeField(out: ByteWriter, head: string, value: string): void {
  if (value.includes('\n') || value.includes('\r') || value.includes('\0'))
    throw new RangeError('an id or event of SSE holds no line end and no NUL')
  out.ascii(head)
  out.utf8(value)
  out.byte(lineFeed)
}

function writeLines(out: ByteWriter, data: Uint8Array): void {
  let feed = data.indexOf(lineFeed)
  let back = data.indexOf(carriageReturn)
  let from = 0
  while (feed >= 0 || back >= 0) {
    const end = back < 0 || (feed >= 0 && feed < back) ? feed : back
    writeLine(out, data.subarray(from, end))
    from = end + (end === back && feed === end + 1 ? 2 : 1)
    if (feed >= 0 && feed < from) feed = data.indexOf(lineFeed, from)
    if (back >= 0 && back < from) back = data.indexOf(carriageReturn, from)
  }
  writeLine(out, from === 0 ? data : data.subarray(from))
}

function writeLine(out: ByteWriter, line: Uint8Array): void {
  out.ascii('data: ')
  out.raw(line)
  out.byte(lineFeed)
}
