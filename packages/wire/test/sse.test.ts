import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  ByteWriter,
  encodeUtf8,
  sseParser,
  writeSseEvent,
  writeSseGap,
  writeSseHeartbeat,
  writeSseReady,
  writeSseRetry,
} from '../src/index.ts'
import type { Format, Gap, SseReceived } from '../src/index.ts'
import { bytesOf, readVectors, shortestMs, textOf } from './vectors.ts'
import type { Bytes } from './vectors.ts'
import { readWholeStream } from './whatwg-sse.ts'

type Written =
  | { write: 'event'; id?: string; event?: string; format: Format; data: Bytes; stream: string }
  | { write: 'ready'; cursor: string; stream: string }
  | { write: 'gap'; gap: Gap; stream: string }
  | { write: 'heartbeat'; cursor?: string; stream: string }
  | { write: 'retry'; retryMs: number; stream: string }

const vectors = readVectors('sse') as {
  written: Written[]
  read: { stream: Bytes; events: SseReceived[]; lastEventId: string; retryMs: number | null }[]
}

function write(out: ByteWriter, row: Written): void {
  if (row.write === 'event') writeSseEvent(out, { ...row, data: bytesOf(row.data) })
  else if (row.write === 'ready') writeSseReady(out, row.cursor)
  else if (row.write === 'gap') writeSseGap(out, row.gap)
  else if (row.write === 'heartbeat') writeSseHeartbeat(out, row.cursor)
  else writeSseRetry(out, row.retryMs)
}

/** What the parser hears when the stream comes in pieces of these lengths, over and over. */
function parsedInPieces(stream: Uint8Array, lengths: readonly number[]) {
  const events: SseReceived[] = []
  const parser = sseParser((event) => events.push(event))
  for (let at = 0, turn = 0; at < stream.length; turn++) {
    const length = lengths[turn % lengths.length] ?? 1
    parser.push(stream.subarray(at, at + length))
    at += length
  }
  return { events, lastEventId: parser.lastEventId, retryMs: parser.retryMs }
}

describe('an event stream', () => {
  it.each(vectors.written)('holds $write as $stream', (row) => {
    const out = new ByteWriter(1)
    write(out, row)
    expect(textOf(out.slice())).toBe(row.stream)
  })

  it.each(vectors.read)('$stream is read as $events', ({ stream, events, lastEventId, retryMs }) => {
    const bytes = bytesOf(stream)
    const expected = { events, lastEventId, retryMs: retryMs ?? undefined }
    expect(readWholeStream(bytes)).toEqual(expected)
    for (const lengths of [[bytes.length], [1], [2, 3], [5, 1]]) expect(parsedInPieces(bytes, lengths)).toEqual(expected)
  })

  it('carries any text, JSON and bytes through any cuts; CR and CRLF become LF', () => {
    const name = fc.string({ unit: 'binary', minLength: 1 }).map((text) => `x${text.replace(/[\r\n]|\p{Cc}/gu, '')}`)
    const data = fc.oneof(
      fc.string({ unit: fc.constantFrom('a', ' ', ':', '\r', '\n', '\r\n', '\0', 'é', '\u2028', '\ufeff', 'data: ') }).map((text) => ({
        format: 'text' as const,
        data: encodeUtf8(text),
        expected: text.replace(/\r\n?/g, '\n'),
      })),
      fc.json().map((json) => ({ format: 'json' as const, data: encodeUtf8(json), expected: json })),
      fc.uint8Array().map((data) => ({ format: 'bytes' as const, data, expected: Buffer.from(data).toString('base64') })),
    )
    const event = fc.tuple(data, fc.option(name, { nil: undefined }), fc.option(name, { nil: undefined }))
    const lengths = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 })
    fc.assert(
      fc.property(fc.array(event), lengths, (given, lengths) => {
        const out = new ByteWriter()
        let lastEventId = ''
        const expected = given.map(([{ format, data, expected }, id, event]) => {
          writeSseEvent(out, { id, event, data, format })
          lastEventId = id ?? lastEventId
          return { event: event ?? 'message', data: expected, lastEventId }
        })
        expect(readWholeStream(out.slice()).events).toEqual(expected)
        expect(parsedInPieces(out.slice(), lengths)).toEqual({ events: expected, lastEventId, retryMs: undefined })
      }),
      { numRuns: 1000 },
    )
  })

  it('is read as the standard says, however wild it is and however it is cut', () => {
    const piece = fc.constantFrom('data', 'id', 'event', 'retry', ':', ': ', ' ', '1', '\n', '\r', '\r\n', '\n\n', '\0', 'é', 'x', '\ufeff')
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1 }), (pieces, lengths) => {
        const bytes = encodeUtf8(pieces.join(''))
        expect(parsedInPieces(bytes, lengths)).toEqual(readWholeStream(bytes))
      }),
      { numRuns: 5000 },
    )
  })

  it('never holds an id or event that would end its line', () => {
    const out = new ByteWriter()
    for (const name of ['a\nb', 'a\r', '\0']) {
      expect(() => writeSseEvent(out, { id: name, data: encodeUtf8('x'), format: 'text' })).toThrow(RangeError)
      expect(() => writeSseEvent(out, { event: name, data: encodeUtf8('x'), format: 'text' })).toThrow(RangeError)
    }
  })
})

describe('the parser of event streams', () => {
  it('goes on from the id of the connection before', () => {
    const events: SseReceived[] = []
    sseParser((event) => events.push(event), { lastEventId: '7' }).push(encodeUtf8('data: x\n\n'))
    expect(events).toEqual([{ event: 'message', data: 'x', lastEventId: '7' }])
  })

  it('gives up, for good, at a line that is too long', () => {
    const events: SseReceived[] = []
    const parser = sseParser((event) => events.push(event), { eventBytes: 20 })
    expect(parser.push(encodeUtf8(`data: ${'x'.repeat(13)}\n\n`))).toBeUndefined()
    expect(parser.push(encodeUtf8('data: '))).toBeUndefined()
    expect(parser.push(encodeUtf8('x'.repeat(15)))).toMatchObject({
      code: 'payload-too-large',
      problem: expect.stringContaining('line') as string,
    })
    expect(parser.push(encodeUtf8('\n\ndata: y\n\n'))).toMatchObject({ code: 'payload-too-large' })
    expect(events.length).toBe(1)
  })

  it('gives up at an event of too many lines, empty ones too', () => {
    const parser = sseParser(() => undefined, { eventBytes: 100 })
    expect(parser.push(encodeUtf8('data\n'.repeat(20)))).toBeUndefined()
    expect(parser.push(encodeUtf8('data\n'))).toMatchObject({ problem: expect.stringContaining('event') as string })
  })

  it('takes events for ever, each within the limit', () => {
    let count = 0
    const parser = sseParser(() => count++, { eventBytes: 100 })
    for (let i = 0; i < 1000; i++) expect(parser.push(encodeUtf8('event: e\ndata: 12345678901234567890\n\n'))).toBeUndefined()
    expect(count).toBe(1000)
  })

  it('takes time in proportion to the bytes, however they are cut', () => {
    const byByte = (stream: Uint8Array) => {
      const parser = sseParser(() => undefined)
      for (let at = 0; at < stream.length; at++) parser.push(stream.subarray(at, at + 1))
    }
    const ofBytes = (count: number) => encodeUtf8(`data: ${'x'.repeat(count)}\n\n`)
    const [warm, small, large] = [ofBytes(10_000), ofBytes(100_000), ofBytes(800_000)]
    byByte(warm)
    const smallMs = shortestMs(() => byByte(small))
    expect(shortestMs(() => byByte(large))).toBeLessThan(Math.max(smallMs, 5) * 32)
    const lines = encodeUtf8('data: x\n\n'.repeat(200_000))
    expect(shortestMs(() => sseParser(() => undefined).push(lines))).toBeLessThan(2000)
  })
})
