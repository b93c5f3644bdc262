import { AssertionError } from 'node:assert'
import { describe, expect as want, it } from 'vitest'
import { anyOf, expect } from '../src/expect.ts'
import { receivers } from '../src/index.ts'
import { hostileOrigins } from '../src/transport/origins.ts'
import { pairChecks, samplePairs } from '../src/transport/pairs.ts'

describe('what checks claim', () => {
  it('holds where it is so', () => {
    expect(1).toBe(1)
    expect([{ a: 1, b: [undefined, 'x'] }]).toEqual([{ a: 1, b: [undefined, 'x'] }])
    expect({ a: { b: 'x', c: 2 }, list: [{ d: 1, e: 2 }] }).toMatchObject({ a: { b: anyOf('string') }, list: [{ d: anyOf('number') }] })
    expect('abc').toContain('b')
    expect([1, 2]).toContain(2)
    expect([1]).toHaveLength(1)
    expect(2).toBeGreaterThan(1)
    expect('abc').toMatch(/^a/)
    expect(null).toBeDefined()
    expect(undefined).toBeUndefined()
  })

  it.each([
    ['another value', () => expect(1).toBe('1')],
    ['another number in a list', () => expect([1, 2, 3]).toEqual([1, 3, 2])],
    ['one more', () => expect([1, 2]).toEqual([1])],
    ['one member more', () => expect({ a: 1, b: 2 }).toEqual({ a: 1 })],
    ['a text for a number', () => expect([{ n: 1 }]).toEqual([{ n: '1' }])],
    ['a member that is missing', () => expect({ a: 1 }).toMatchObject({ b: 1 })],
    ['a member that is undefined', () => expect({ a: undefined }).toMatchObject({ a: 1 })],
    ['a deep member that differs', () => expect({ a: { b: [{ c: 1 }] } }).toMatchObject({ a: { b: [{ c: 2 }] } })],
    ['a longer list', () => expect({ a: [1, 2] }).toMatchObject({ a: [1] })],
    ['nothing where something is like', () => expect(undefined).toMatchObject({})],
    ['another kind', () => expect({ a: 1 }).toMatchObject({ a: anyOf('string') })],
    ['a text without the part', () => expect('abc').toContain('d')],
    ['a list without the part', () => expect([1]).toContain(2)],
    ['another length', () => expect([1]).toHaveLength(0)],
    ['no length', () => expect(undefined).toHaveLength(0)],
    ['what is equal', () => expect(1).toBeGreaterThan(1)],
    ['no number', () => expect(undefined).toBeGreaterThan(0)],
    ['no match', () => expect('abc').toMatch(/^b/)],
    ['nothing', () => expect(undefined).toBeDefined()],
    ['something', () => expect(null).toBeUndefined()],
  ])('fails at %s', (_what, claim) => {
    want(claim).toThrow(AssertionError)
  })
})

describe('pairs of transports', () => {
  const all = pairChecks(receivers, 1)

  it('are all that carry a cursor before all', () => {
    const carriers = receivers.filter(({ carriesCursor }) => carriesCursor)
    want(new Set(all.map(({ row, also }) => `${row.name} ${also?.name}`)).size).toBe(carriers.length * receivers.length)
  })

  it('give a sample in which each is left and each is come to, the same for the same seed', () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const sample = samplePairs(pairChecks(receivers, seed), seed)
      want(sample.length).toBeLessThan(all.length / 4)
      want(new Set(sample.map(({ also }) => also))).toEqual(new Set(receivers))
      want(new Set(sample.map(({ row }) => row))).toEqual(new Set(receivers.filter(({ carriesCursor }) => carriesCursor)))
      const again = samplePairs(pairChecks(receivers, seed), seed)
      want(again.map(({ row, name }) => row.name + name)).toEqual(sample.map(({ row, name }) => row.name + name))
    }
    const names = [1, 2].map((seed) => samplePairs(pairChecks(receivers, seed), seed).map(({ row, name }) => row.name + name))
    want(names[0]).not.toEqual(names[1])
  })
})

describe('hostile origins', () => {
  it.each(['http://127.0.0.1:8000', 'https://push.example.com', 'http://[::1]:8000'])('are at least 60, and never %s itself', (url) => {
    const origins = hostileOrigins(url)
    want(new Set(origins).size).toBe(origins.length)
    want(origins.length).toBeGreaterThanOrEqual(60)
    want(origins).toContain('null')
    want(origins).not.toContain(url)
  })
})
