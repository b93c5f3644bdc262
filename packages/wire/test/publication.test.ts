import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  ByteWriter,
  encodeUtf8,
  gapJson,
  gapReasons,
  pollAnswer,
  withGap,
  writeEnvelope,
  writeJsonString,
  writePollEntry,
} from '../src/index.ts'
import type { Gap, Publication } from '../src/index.ts'
import { bytesOf, readVectors, textOf } from './vectors.ts'
import type { Bytes } from './vectors.ts'

type Given = Bytes & Omit<Publication, 'data'> & { readonly cursor: string }

const vectors = readVectors('publication') as {
  envelopes: { publication: Given; json: string }[]
  gaps: { gap: Gap; json: string }[]
}
const polls = readVectors('poll') as {
  answers: { cursor: string; entries: string[]; more: boolean; gaps: Gap[]; json: string }[]
}

function envelopeOf(publication: Publication, cursor: string, write = writeEnvelope): string {
  const out = new ByteWriter(1)
  write(out, publication, JSON.stringify(publication.channel), cursor)
  return textOf(out.slice())
}

const text = fc.string({ unit: 'binary' })
const place = { channel: text, offset: fc.maxSafeNat(), seq: fc.maxSafeNat(), time: fc.maxSafeNat() }
const names = { event: text, id: text, type: text }

describe('the envelope', () => {
  it.each(vectors.envelopes)('is $json', ({ publication, json }) => {
    const { cursor, ...rest } = publication
    expect(envelopeOf({ ...rest, data: bytesOf(publication) }, cursor)).toBe(json)
    expect(envelopeOf({ ...rest, data: bytesOf(publication) }, cursor, writePollEntry)).toBe(`${json},`)
  })

  it('gives back through JSON.parse what went in', () => {
    const payload = fc.oneof(
      fc.json().map((json) => ({ format: 'json' as const, data: encodeUtf8(json), expected: JSON.parse(json) as unknown })),
      text.map((text) => ({ format: 'text' as const, data: encodeUtf8(text), expected: text })),
      fc.uint8Array().map((data) => ({ format: 'bytes' as const, data, expected: Buffer.from(data).toString('base64') })),
    )
    fc.assert(
      fc.property(payload, fc.record(place), fc.record(names, { requiredKeys: [] }), ({ format, data, expected }, place, names) => {
        const { seq, ...told } = place
        const envelope = JSON.parse(envelopeOf({ format, data, ...place, ...names }, 'token')) as unknown
        const encoding = format === 'bytes' ? { encoding: 'base64' } : {}
        expect(seq).toBeGreaterThanOrEqual(0)
        expect(envelope).toEqual({ ...told, cursor: 'token', data: expected, ...names, ...encoding })
      }),
      { numRuns: 1000 },
    )
  })

  it('keeps JSON byte for byte', () => {
    const data = encodeUtf8('{"b":1e400, "a" : 12345678901234567890,"\\u0061":"\\/"}')
    const json = envelopeOf({ format: 'json', data, channel: 'a', offset: 1, seq: 1, time: 1 }, 't')
    expect(json).toContain(`"data":${textOf(data)}}`)
  })

  it('carries 64 KiB of any bytes', () => {
    const data = Uint8Array.from({ length: 65_536 }, (_, i) => (i * 7919) & 0xff)
    const { data: base64 } = JSON.parse(envelopeOf({ format: 'bytes', data, channel: 'a', offset: 1, seq: 1, time: 1 }, 't')) as {
      data: string
    }
    expect(Buffer.from(base64, 'base64').equals(data)).toBe(true)
  })
})

describe('text as a JSON string', () => {
  it('is escaped where it must be and nowhere else', () => {
    fc.assert(
      fc.property(
        fc.string({
          unit: fc.constantFrom('\0', '\b', '\n', '\r', '\t', '\u001f', '"', '\\', '/', 'a', '\u007f', 'é', '\u2028', '\u{1f600}'),
        }),
        (text) => {
          const out = new ByteWriter()
          writeJsonString(out, encodeUtf8(text))
          const json = textOf(out.slice())
          expect(JSON.parse(json)).toBe(text)
          expect(json.length).toBeLessThanOrEqual(JSON.stringify(text).length + 4 * text.split('\b').length)
        },
      ),
    )
  })
})

describe('a gap', () => {
  it.each(vectors.gaps)('is $json', ({ gap, json }) => {
    expect(gapJson(gap)).toBe(json)
  })

  it('tells the reason that counts most first', () => {
    expect(gapReasons).toEqual(['new-log', 'diverged', 'deleted', 'trimmed'])
  })
})

describe('the answer of a poll', () => {
  it.each(polls.answers)('is $json', ({ entries, json, ...rest }) => {
    expect(textOf(pollAnswer({ ...rest, entries: entries.map(encodeUtf8) }))).toBe(json)
    expect(() => JSON.parse(json) as unknown).not.toThrow()
  })
})

describe('the gaps of one answer', () => {
  const gap = (channel: string, reason: Gap['reason'], missed: number | null, at: string): Gap => ({ channel, reason, missed, at })

  it('name a channel once: where it goes on at last, for the gravest reason, with all that was missed', () => {
    const one = withGap(withGap([], gap('a', 'new-log', 3, 'x')), gap('b', 'trimmed', 1, 'y'))
    expect(withGap(one, gap('a', 'trimmed', 4, 'z'))).toEqual([gap('b', 'trimmed', 1, 'y'), gap('a', 'new-log', 7, 'z')])
    expect(withGap(one, gap('b', 'deleted', 2, 'z'))).toEqual([gap('a', 'new-log', 3, 'x'), gap('b', 'deleted', 3, 'z')])
  })

  it('say no number where one of them is not known', () => {
    const unknown = gap('a', 'trimmed', null, 'x')
    expect(withGap([unknown], gap('a', 'trimmed', 4, 'z'))).toEqual([gap('a', 'trimmed', null, 'z')])
    expect(withGap([gap('a', 'trimmed', 4, 'x')], { ...unknown, at: 'z' })).toEqual([gap('a', 'trimmed', null, 'z')])
  })
})
