import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  decodeHeaderText,
  encodeHeaderText,
  formatMediaType,
  isProblem,
  limits,
  negotiate,
  parseLimit,
  parseMediaType,
  parseOnGap,
  parseSince,
  parseWaitMs,
  preferenceApplied,
  preferredWaitMs,
} from '../src/index.ts'
import type { SinceWords } from '../src/index.ts'
import { readVectors } from './vectors.ts'

const since = readVectors('since') as {
  since: { words: SinceWords; since?: unknown; code?: string }[]
  waits: { text: string; ms: number | null }[]
  limits: { text: string; count: number | null }[]
  onGap: { text: string | null; onGap: string | null }[]
  prefer: { header: string | null; ms: number | null }[]
}
const accept = readVectors('accept') as { rows: { accept: string | null; chosen: string | null }[] }
const media = readVectors('media-type') as { valid: { text: string; canonical: string }[]; invalid: { text: string }[] }
const header = readVectors('header-text') as { valid: { text: string; value: string; also: string[] }[]; invalid: { value: string }[] }

function valueOrNull(value: unknown): unknown {
  return isProblem(value) || value === undefined ? null : value
}

describe('where to begin', () => {
  it.each(since.since)('of $words is $since$code', ({ words, since, code }) => {
    const read = parseSince(words)
    expect(isProblem(read) ? read.code : (read ?? null)).toEqual(code ?? since)
  })
})

describe('a parameter', () => {
  it.each(since.waits)('wait=$text is $ms ms', ({ text, ms }) => {
    expect(valueOrNull(parseWaitMs(text))).toBe(ms)
  })

  it.each(since.limits)('limit=$text is $count', ({ text, count }) => {
    expect(valueOrNull(parseLimit(text))).toBe(count)
  })

  it.each(since.onGap)('onGap=$text is $onGap', ({ text, onGap }) => {
    expect(valueOrNull(parseOnGap(text ?? undefined))).toBe(onGap)
  })

  it('is bounded by what the server is configured to', () => {
    expect([parseWaitMs('25', 5000), parseLimit('100', 10), preferredWaitMs('wait=25', 5000)]).toEqual([5000, 10, 5000])
  })

  it('that is bad is parameter-invalid', () => {
    for (const problem of [parseWaitMs('x'), parseLimit('x'), parseOnGap('x')]) expect(problem).toMatchObject({ code: 'parameter-invalid' })
  })
})

describe('Prefer', () => {
  it.each(since.prefer)('$header asks for $ms ms', ({ header, ms }) => {
    expect(preferredWaitMs(header ?? undefined) ?? null).toBe(ms)
  })

  it('is answered with what was granted', () => {
    expect(preferenceApplied(limits.pollWaitMs)).toBe('wait=60')
  })
})

describe('Accept', () => {
  const offered = ['application/json', 'text/event-stream', 'application/x-ndjson', 'multipart/mixed']

  it.each(accept.rows)('$accept chooses $chosen', ({ accept, chosen }) => {
    expect(negotiate(accept ?? undefined, offered) ?? null).toBe(chosen)
  })

  it('chooses nothing that the client weighs with 0', () => {
    const range = fc.constantFrom(...offered, 'text/*', 'application/*', '*/*')
    const quality = fc.constantFrom('0', '0.3', '0.7', '1')
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(range, quality), { selector: ([range]) => range }), (ranges) => {
        const header = ranges.map(([range, quality]) => `${range};q=${quality}`).join(', ')
        const chosen = negotiate(header, offered)
        const exact = ranges.find(([range]) => range === chosen)
        expect(exact?.[1] ?? '1').not.toBe('0')
        const best = Math.max(0, ...ranges.filter(([range]) => offered.includes(range)).map(([, quality]) => Number(quality)))
        expect(best > 0 && chosen === undefined).toBe(false)
      }),
      { numRuns: 1000 },
    )
  })
})

describe('a media type', () => {
  it.each(media.valid)('$text is kept as $canonical', ({ text, canonical }) => {
    const read = parseMediaType(text)
    expect(isProblem(read) ? read : formatMediaType(read)).toBe(canonical)
    const again = parseMediaType(canonical)
    expect(isProblem(again) ? again : formatMediaType(again)).toBe(canonical)
  })

  it.each(media.invalid)('$text is none', ({ text }) => {
    expect(parseMediaType(text)).toMatchObject({ code: 'parameter-invalid' })
  })
})

describe('text in a header', () => {
  it.each(header.valid)('$text is $value', ({ text, value, also }) => {
    expect(encodeHeaderText(text)).toBe(value)
    for (const form of [value, ...also]) expect(decodeHeaderText(form)).toBe(text)
  })

  it.each(header.invalid)('$value is none', ({ value }) => {
    expect(decodeHeaderText(value)).toMatchObject({ code: 'parameter-invalid' })
  })

  it('comes back, in visible ASCII, whatever it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const value = encodeHeaderText(text)
        expect(value).toMatch(/^[!-~]*$/)
        expect(decodeHeaderText(value)).toBe(text)
      }),
    )
  })
})
