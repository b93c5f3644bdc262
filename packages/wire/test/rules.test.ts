import { describe, expect, it } from 'vitest'
import {
  defaultKeep,
  defaultRule,
  errors,
  FanfareError,
  isProblem,
  limits,
  orThrow,
  parseCount,
  parseDurationMs,
  parseOrNone,
  parseSizeBytes,
  problemOf,
  reconnectDelayMs,
  ruleFinder,
} from '../src/index.ts'
import type { Reconnect, Rule } from '../src/index.ts'
import { readVectors } from './vectors.ts'

const words = readVectors('rules') as {
  durations: { word: string; ms: number | null }[]
  sizes: { word: string; bytes: number | null }[]
  counts: { word: string; count: number | null }[]
}
const backoff = readVectors('backoff') as { rows: (Reconnect & { ms: number })[] }

describe('a rule', () => {
  it('is the first whose pattern matches, else the default', () => {
    const rule = (match: string): Rule => ({ match, keep: defaultKeep, payloadBytes: 1, public: false })
    const rules = [rule('quotes/*'), rule('quotes/**'), rule('news')]
    const find = ruleFinder(rules)
    expect(['quotes/a', 'quotes/a/b', 'news', 'other'].map(find)).toEqual([...rules, defaultRule])
  })

  it.each(words.durations)('says $word for $ms ms', ({ word, ms }) => {
    const read = parseDurationMs(word)
    expect(isProblem(read) ? null : read).toBe(ms)
  })

  it.each(words.sizes)('says $word for $bytes bytes', ({ word, bytes }) => {
    const read = parseSizeBytes(word)
    expect(isProblem(read) ? null : read).toBe(bytes)
  })

  it.each(words.counts)('says $word for $count', ({ word, count }) => {
    const read = parseCount(word)
    expect(isProblem(read) ? null : read).toBe(count)
  })

  it('lifts a limit with none, and names what it can not read', () => {
    expect(parseOrNone('none', parseCount)).toBeNull()
    expect(parseOrNone('5', parseCount)).toBe(5)
    expect(parseOrNone('1KB', parseSizeBytes)).toMatchObject({ problem: expect.stringMatching(/KiB.*"1KB"/) as string })
  })
})

describe('a reconnect', () => {
  it.each(backoff.rows)('of $attempt attempts and $random waits $ms ms', ({ ms, ...reconnect }) => {
    expect(reconnectDelayMs(reconnect)).toBe(ms)
  })
})

describe('the table of errors', () => {
  it('is sorted, and each row has a status of HTTP that fits a close code', () => {
    const codes = Object.keys(errors)
    expect(codes).toEqual([...codes].sort())
    for (const { status, title } of Object.values(errors)) {
      expect(status).toBeGreaterThanOrEqual(400)
      expect(status).toBeLessThan(600)
      expect(title).not.toMatch(/\.$/)
    }
  })

  it('speaks through a FanfareError, and a problem becomes one', () => {
    const error = new FanfareError('gap', 'lost', { extra: { index: 1 }, cause: 'why' })
    expect(error).toMatchObject({ status: 410, retry: false, title: errors.gap.title, message: 'lost', extra: { index: 1 }, cause: 'why' })
    expect(() => orThrow(problemOf('gap', 'lost'))).toThrow(FanfareError)
    expect(orThrow(0)).toBe(0)
  })

  it('has limits that are whole numbers above 0', () => {
    expect(Object.values(limits).filter((limit) => !Number.isSafeInteger(limit) || limit < 1)).toEqual([])
  })
})
