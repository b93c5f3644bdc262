import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { rawElements, rawMembers } from '../src/receivers/raw-json.ts'

describe('the reader of raw JSON', () => {
  it('finds of every object and array what JSON.parse finds, however it is spaced', () => {
    const value = fc.jsonValue({ depthSize: 'medium' })
    const spaced = fc.constantFrom(undefined, 1, '\t', ' \n')
    const property = fc.property(fc.array(value), fc.dictionary(fc.string(), value), spaced, (array, object, space) => {
      const parsed = rawElements(JSON.stringify(array, null, space)).map((text) => JSON.parse(text) as unknown)
      expect(parsed).toEqual(JSON.parse(JSON.stringify(array)))
      const members = [...rawMembers(JSON.stringify(object, null, space))].map(([name, text]) => [name, JSON.parse(text) as unknown])
      expect(members).toEqual(Object.entries(JSON.parse(JSON.stringify(object)) as object))
    })
    expect(fc.check(property, { numRuns: 200 }).failed).toBe(false)
  })

  it('gives the text as it stood', () => {
    const members = rawMembers('{ "a" : 1e400 ,"b":[1.0, "\\u0041"] ,"c":"}\\"," }')
    expect([...members]).toEqual([
      ['a', '1e400'],
      ['b', '[1.0, "\\u0041"]'],
      ['c', '"}\\","'],
    ])
  })

  it.each(['', '[', '{"a"', '{"a":1', '{"a" 1}', '{"a":"b}', '[1 2]', 'null'])('refuses %j', (text) => {
    expect(() => (text.startsWith('[') ? rawElements(text) : rawMembers(text))).toThrow(SyntaxError)
  })
})
