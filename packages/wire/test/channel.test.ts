import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { assertChannel, channelMatcher, channelProblem, FanfareError, patternProblem } from '../src/index.ts'
import { readVectors, shortestMs } from './vectors.ts'

const vectors = readVectors('channel') as {
  valid: { name: string; reserved: boolean }[]
  invalid: { name: string; why: string }[]
  patterns: { pattern: string; matches: string[]; others: string[] }[]
  badPatterns: { pattern: string; why: string }[]
}

function codeOf(call: () => void): string | undefined {
  try {
    call()
    return undefined
  } catch (error) {
    return error instanceof FanfareError ? error.code : 'another error'
  }
}

describe('a channel name', () => {
  it.each(vectors.valid)('may be $name', ({ name, reserved }) => {
    expect(channelProblem(name)).toBeUndefined()
    expect(codeOf(() => assertChannel(name))).toBe(reserved ? 'channel-reserved' : undefined)
  })

  it.each(vectors.invalid)('is refused for: $why', ({ name }) => {
    expect(channelProblem(name)).toEqual(expect.any(String))
    expect(codeOf(() => assertChannel(name))).toBe('channel-name-invalid')
  })

  it('holds no lone surrogate', () => {
    expect(channelProblem('a\ud800')).toEqual(expect.any(String))
  })
})

describe('a pattern', () => {
  it.each(vectors.patterns)('$pattern matches what it should and nothing else', ({ pattern, matches, others }) => {
    expect(patternProblem(pattern)).toBeUndefined()
    const fits = channelMatcher(pattern)
    expect(matches.filter((channel) => !fits(channel))).toEqual([])
    expect(others.filter((channel) => fits(channel))).toEqual([])
  })

  it.each(vectors.badPatterns)('$pattern is refused: $why', ({ pattern }) => {
    expect(patternProblem(pattern)).toEqual(expect.any(String))
  })

  it('agrees with a regular expression that says the same', () => {
    const segment = fc.constantFrom('a', 'b', '*', '**')
    const name = fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 7 })
    fc.assert(
      fc.property(fc.array(segment, { minLength: 1, maxLength: 6 }), name, (pattern, name) => {
        const parts = pattern.map((part) => (part === '**' ? '[^/]+(?:/[^/]+)*' : part === '*' ? '[^/]+' : part))
        const expected = new RegExp(`^${parts.join('/')}$`).test(name.join('/'))
        expect(channelMatcher(pattern.join('/'))(name.join('/'))).toBe(expected)
      }),
      { numRuns: 3000 },
    )
  })

  it('with many ** takes no more than pattern times name steps', () => {
    const fits = channelMatcher(`${'**/a/'.repeat(20)}b`)
    expect(fits('a/'.repeat(120) + 'a')).toBe(false)
    expect(shortestMs(() => fits('a/'.repeat(120) + 'a'))).toBeLessThan(50)
  })
})
