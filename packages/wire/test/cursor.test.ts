import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatCursor, isMark, parseCursor, tokenMaker } from '../src/index.ts'
import { readVectors } from './vectors.ts'

const vectors = readVectors('cursor') as {
  valid: { token: string; mark: string; seq: number }[]
  invalid: { token: string; why: string }[]
}

const alphabet = Array.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~')
const mark = fc.string({ unit: fc.constantFrom(...alphabet.slice(0, 64)), minLength: 16, maxLength: 16 })
const seq = fc.oneof(fc.nat(), fc.maxSafeNat())

describe('a cursor', () => {
  it.each(vectors.valid)('of $mark and $seq is $token', ({ token, mark, seq }) => {
    expect(formatCursor({ mark, seq })).toBe(token)
    expect(parseCursor(token)).toEqual({ mark, seq })
  })

  it.each(vectors.invalid)('is none where it is $why', ({ token }) => {
    expect(parseCursor(token)).toBeUndefined()
  })

  it('comes back from its token, which is URL-safe and has at most 64 characters', () => {
    fc.assert(
      fc.property(mark, seq, (mark, seq) => {
        const token = formatCursor({ mark, seq })
        expect(token).toMatch(/^[A-Za-z0-9._~-]{22,64}$/)
        expect(parseCursor(token)).toEqual({ mark, seq })
      }),
    )
    expect(formatCursor({ mark: '_'.repeat(16), seq: Number.MAX_SAFE_INTEGER }).length).toBe(32)
  })

  // The checksum has 24 bits, so a wrong place passes once in 16.7 million changes; 300,000 are tried here.
  it('with one character changed is refused, or is by chance the canonical token of another place (2^-24)', () => {
    let tried = 0
    let passed = 0
    fc.assert(
      fc.property(mark, seq, (mark, seq) => {
        const token = formatCursor({ mark, seq })
        for (let at = 0; at < token.length; at++) {
          for (const other of alphabet) {
            if (other === token[at]) continue
            const changed = token.slice(0, at) + other + token.slice(at + 1)
            const cursor = parseCursor(changed)
            tried++
            if (cursor === undefined) continue
            passed++
            expect(formatCursor(cursor)).toBe(changed)
          }
        }
      }),
      { numRuns: 150 },
    )
    expect(tried).toBeGreaterThan(200_000)
    expect(passed).toBeLessThan(3)
  })

  it('is never shared by two places', () => {
    const make = tokenMaker('AAAAAAAAAAAAAAAA')
    expect(new Set(Array.from({ length: 10_000 }, (_, seq) => make(seq))).size).toBe(10_000)
  })

  it('is refused to be made of what is no place', () => {
    expect(() => tokenMaker('short')).toThrow(RangeError)
    for (const seq of [-1, 0.5, Number.NaN, Number.MAX_SAFE_INTEGER + 1]) {
      expect(() => tokenMaker('AAAAAAAAAAAAAAAA')(seq)).toThrow(RangeError)
    }
  })

  it('has a mark of 16 characters of base64url', () => {
    expect(isMark('aZ09_-aZ09_-aZ09')).toBe(true)
    expect(isMark('aZ09_-aZ09_-aZ0')).toBe(false)
    expect(isMark('aZ09_-aZ09_-aZ0+')).toBe(false)
  })
})
