import { writeBase64 } from './base64.ts'
import { ByteWriter } from './byte-writer.ts'
import { encodeHeaderText } from './header-text.ts'
import type { Gap, Publication } from './publication.ts'
import { gapJson, writeEnvelope } from './publication.ts'
import { encodeUtf8 } from './utf8.ts'

/** Between the parts of a stream (RFC 2046, section 5.1.1). It is no secret and always the same: a body that holds it goes as base64. */
export const multipartBoundary = 'fanfare-part-5Yw0bXq8'
export const multipartType = `multipart/mixed; boundary="${multipartBoundary}"`

const delimiter = `--${multipartBoundary}`
const delimiterBytes = encodeUtf8(delimiter)

/** Before the first part. */
export function writeMultipartBegin(out: ByteWriter): void {
  out.ascii(`${delimiter}\r\n`)
}

/** A publication's payload as it is; its labels are header fields, percent-encoded where they aren't ASCII. */
export function writePayloadPart(out: ByteWriter, publication: Publication, cursor: string): void {
  writePart(out, publication, typeOf(publication), cursor, publication.data)
}

// A part's length stands before it, so the envelope is written aside first. Encoding is one synchronous run, so all parts share it.
const aside = new ByteWriter(4096)

/** The publication as JSON. */
export function writeEnvelopePart(out: ByteWriter, publication: Publication, channelJson: string, cursor: string): void {
  aside.clear()
  writeEnvelope(aside, publication, channelJson, cursor)
  writePart(out, publication, 'application/json', cursor, aside.view())
}

function writePart(out: ByteWriter, publication: Publication, type: string, cursor: string, body: Uint8Array): void {
  const { channel, offset, event, id } = publication
  out.ascii(`Content-Type: ${type}\r\nFanfare-Cursor: ${cursor}\r\nFanfare-Channel: ${encodeHeaderText(channel)}\r\n`)
  out.ascii(`Fanfare-Offset: ${offset}\r\n`)
  if (event !== undefined) out.ascii(`Fanfare-Event: ${encodeHeaderText(event)}\r\n`)
  if (id !== undefined) out.ascii(`Fanfare-Id: ${encodeHeaderText(id)}\r\n`)
  writeBody(out, body, false)
}

/** Carries a place and nothing else: the first part, and the heartbeat. */
export function writeCursorPart(out: ByteWriter, cursor: string): void {
  out.ascii(`Fanfare-Cursor: ${cursor}\r\n`)
  writeBody(out, nothing, false)
}

/** Has no cursor: a receiver that is cut right after it resumes from the old place and is told again. `last`: the stream ends with it. */
export function writeGapPart(out: ByteWriter, gap: Gap, last: boolean): void {
  out.ascii(`Content-Type: application/json\r\nFanfare-Gap: ${gap.reason}\r\n`)
  writeBody(out, encodeUtf8(gapJson(gap)), last)
}

/** The last part of a stream that the server ends; `json` is an `errorMessage`. */
export function writeErrorPart(out: ByteWriter, code: string, json: string): void {
  out.ascii(`Content-Type: application/json\r\nFanfare-Error: ${code}\r\n`)
  writeBody(out, encodeUtf8(json), true)
}

const nothing = new Uint8Array()

/** The closing delimiter comes with the body, so that whoever reads up to it waits for no other part. */
function writeBody(out: ByteWriter, body: Uint8Array, last: boolean): void {
  if (holdsDelimiter(body)) {
    out.ascii(`Content-Transfer-Encoding: base64\r\nContent-Length: ${Math.ceil(body.length / 3) * 4}\r\n\r\n`)
    writeBase64(out, body)
  } else {
    out.ascii(`Content-Length: ${body.length}\r\n\r\n`)
    out.raw(body)
  }
  out.ascii(last ? `\r\n${delimiter}--\r\n` : `\r\n${delimiter}\r\n`)
}

const dash = 0x2d

function holdsDelimiter(body: Uint8Array): boolean {
  const last = body.length - delimiterBytes.length
  for (let at = body.indexOf(dash); at >= 0 && at <= last; at = body.indexOf(dash, at + 1)) {
    let same = 1
    while (same < delimiterBytes.length && body[at + same] === delimiterBytes[same]) same++
    if (same === delimiterBytes.length) return true
  }
  return false
}

const printable = /^[ -~]+$/

/** Text of MIME is US-ASCII where no charset is said (RFC 2046, section 4.1.2). A type that would break its line is none. */
function typeOf({ format, type }: Publication): string {
  switch (format) {
    case 'json':
      return type !== undefined && printable.test(type) ? type : 'application/json'
    case 'text':
      return type !== undefined && printable.test(type) ? withCharset(type) : 'text/plain; charset=utf-8'
    case 'bytes':
      return type !== undefined && printable.test(type) ? type : 'application/octet-stream'
    default:
      return format satisfies never
  }
}

function withCharset(type: string): string {
  return /;\s*charset=/i.test(type) ? type : `${type}; charset=utf-8`
}
