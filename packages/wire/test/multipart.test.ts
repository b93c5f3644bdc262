import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  ByteWriter,
  encodeUtf8,
  multipartBoundary,
  multipartType,
  writeCursorPart,
  writeEnvelopePart,
  writeErrorPart,
  writeGapPart,
  writeMultipartBegin,
  writeNdjsonLine,
  writeNdjsonPublication,
  writePayloadPart,
} from '../src/index.ts'
import type { Gap, Publication } from '../src/index.ts'
import { readMultipart } from './rfc2046.ts'
import { bytesOf, hexOf, readVectors, textOf } from './vectors.ts'
import type { Bytes } from './vectors.ts'

type Given = Omit<Publication, 'data'> & { readonly cursor: string; readonly data: Bytes }
type Other =
  | { write: 'begin'; part: string }
  | { write: 'cursor'; cursor: string; part: string }
  | { write: 'gap'; gap: Gap; last: boolean; part: string }
  | { write: 'error'; code: string; json: string; part: string }

const vectors = readVectors('multipart') as {
  payloads: { publication: Given; part: string }[]
  envelopes: { publication: Given; part: string }[]
  others: Other[]
}
const lines = readVectors('ndjson') as {
  publications: { publication: Given; line: string }[]
  messages: { json: string; line: string }[]
}

function written(write: (out: ByteWriter) => void): string {
  const out = new ByteWriter(1)
  write(out)
  return textOf(out.slice())
}

const givenOf = ({ cursor, data, ...rest }: Given) => ({
  publication: { ...rest, data: bytesOf(data) },
  cursor,
  channelJson: JSON.stringify(rest.channel),
})

function writeOther(out: ByteWriter, row: Other): void {
  if (row.write === 'begin') writeMultipartBegin(out)
  else if (row.write === 'cursor') writeCursorPart(out, row.cursor)
  else if (row.write === 'gap') writeGapPart(out, row.gap, row.last)
  else writeErrorPart(out, row.code, row.json)
}

describe('a part of multipart/mixed', () => {
  it.each(vectors.payloads)('with a payload is $part', ({ publication: given, part }) => {
    const { publication, cursor } = givenOf(given)
    expect(written((out) => writePayloadPart(out, publication, cursor))).toBe(part)
  })

  it.each(vectors.envelopes)('with an envelope is $part', ({ publication: given, part }) => {
    const { publication, channelJson, cursor } = givenOf(given)
    expect(written((out) => writeEnvelopePart(out, publication, channelJson, cursor))).toBe(part)
  })

  it.each(vectors.others)('of $write is $part', (row) => {
    expect(written((out) => writeOther(out, row))).toBe(row.part)
  })

  it('is found by its delimiters alone as it is by its length, whatever the payloads are', () => {
    const wild = fc
      .array(fc.constantFrom('\r\n', '--', multipartBoundary, '-', 'x', '\0', 'Content-Length: 0\r\n\r\n'))
      .map((pieces) => encodeUtf8(pieces.join('')))
    const text = fc.string({ unit: 'grapheme', minLength: 1 })
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.oneof(wild, fc.uint8Array()), text, text)), (rows) => {
        const out = new ByteWriter(1)
        writeMultipartBegin(out)
        for (const [data, channel, event] of rows)
          writePayloadPart(out, { channel, offset: 1, seq: 1, time: 1, event, data, format: 'bytes' }, 'token')
        writeErrorPart(out, 'internal', '{}')
        const parts = readMultipart(multipartType, out.slice())
        expect(parts.pop()?.fields.get('fanfare-error')).toBe('internal')
        expect(parts.map(({ body }) => hexOf(body))).toEqual(rows.map(([data]) => hexOf(data)))
        expect(parts.map(({ fields }) => decodeURIComponent(fields.get('fanfare-channel') ?? ''))).toEqual(
          rows.map(([, channel]) => channel),
        )
        expect(parts.map(({ fields }) => decodeURIComponent(fields.get('fanfare-event') ?? ''))).toEqual(rows.map(([, , event]) => event))
      }),
      { numRuns: 1000 },
    )
  })
})

describe('a line of NDJSON', () => {
  it.each(lines.publications)('is $line', ({ publication: given, line }) => {
    const { publication, channelJson, cursor } = givenOf(given)
    expect(written((out) => writeNdjsonPublication(out, publication, channelJson, cursor))).toBe(line)
  })

  it.each(lines.messages)('is $line', ({ json, line }) => {
    expect(written((out) => writeNdjsonLine(out, json))).toBe(line)
  })
})
