import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compactLineEnds, encodeUtf8, isProblem, jsonProblem, jsonString, limits, scanArray, scanObject } from '../src/index.ts'
import { bytesOf, hexOf, readVectors, textOf } from './vectors.ts'
import type { Bytes } from './vectors.ts'

const vectors = readVectors('json') as {
  valid: { text: string }[]
  invalid: (Bytes & { why: string })[]
  objects: { text: string; members: Record<string, string> | null }[]
  arrays: { text: string; elements: string[] | null }[]
  lines: { text: string; line: string }[]
}

/** JSON.parse, or `none`, which no JSON is. */
const none = Symbol('no JSON')
function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return none
  }
}

function membersOf(bytes: Uint8Array): Map<string, string> | undefined {
  const members = scanObject(bytes)
  return isProblem(members) ? undefined : new Map([...members].map(([name, slice]) => [name, textOf(slice)]))
}

/** JSON with white space of all kinds, and often broken in one place. */
const anyJson = fc
  .tuple(
    fc.json({ stringUnit: 'binary' }),
    fc.constantFrom('', ' ', '\n', '\r\n\t'),
    fc.nat(),
    fc.constantFrom('', '', '"', ',', '}', ']', '0', '\\', '\n', 'e', '-', '.'),
  )
  .map(([json, space, at, noise]) => {
    const spaced = json.replaceAll(',', `,${space}`).replaceAll(':', `${space}:`)
    const cut = at % (spaced.length + 1)
    return textOf(encodeUtf8(spaced.slice(0, cut) + noise + spaced.slice(cut)))
  })

describe('the JSON scanner', () => {
  it.each(vectors.valid)('accepts $text', ({ text }) => {
    expect(jsonProblem(encodeUtf8(text))).toBeUndefined()
    expect(parsed(text)).not.toBe(none)
  })

  it.each(vectors.invalid)('refuses $text$hex: $why', (bytes) => {
    expect(jsonProblem(bytesOf(bytes))).toMatchObject({ code: 'payload-malformed' })
  })

  it.each(vectors.objects)('gives the raw members of $text', ({ text, members }) => {
    expect(membersOf(encodeUtf8(text))).toEqual(members === null ? undefined : new Map(Object.entries(members)))
  })

  it.each(vectors.arrays)('gives the raw elements of $text', ({ text, elements }) => {
    const slices = scanArray(encodeUtf8(text))
    expect(isProblem(slices) ? null : slices.map(textOf)).toEqual(elements)
  })

  it('accepts what JSON.parse accepts and nothing else', () => {
    let accepted = 0
    fc.assert(
      fc.property(anyJson, (text) => {
        const right = parsed(text) !== none
        accepted += right ? 1 : 0
        expect(jsonProblem(encodeUtf8(text)) === undefined).toBe(right)
      }),
      { numRuns: 5000 },
    )
    expect(accepted).toBeGreaterThan(1000)
  })

  it('gives slices that mean what JSON.parse finds in the whole', () => {
    fc.assert(
      fc.property(anyJson, (text) => {
        const value = parsed(text)
        const elements = scanArray(encodeUtf8(text))
        expect(isProblem(elements) ? none : elements.map((slice) => parsed(textOf(slice)))).toEqual(Array.isArray(value) ? value : none)
        const members = membersOf(encodeUtf8(text))
        const object = typeof value === 'object' && value !== null && !Array.isArray(value)
        expect(members && new Map([...members].map(([name, slice]) => [name, parsed(slice)]))).toEqual(
          object ? new Map(Object.entries(value)) : undefined,
        )
      }),
      { numRuns: 3000 },
    )
  })

  it('counts the last of members with one name, however it is written', () => {
    const name = fc.constantFrom('"a"', '"\\u0061"', '"b"', '"\\u0062"', '"é"', '"\\u00e9"')
    fc.assert(
      fc.property(fc.array(fc.tuple(name, fc.nat(9))), (pairs) => {
        const text = `{${pairs.map(([name, value]) => `${name}:${value}`).join()}}`
        const members = membersOf(encodeUtf8(text))
        expect(Object.fromEntries([...(members ?? [])].map(([name, slice]) => [name, Number(slice)]))).toEqual(parsed(text))
      }),
    )
  })

  it('reads a string slice, and nothing else, as its text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
        expect(jsonString(encodeUtf8(JSON.stringify(text)))).toBe(text)
      }),
    )
    for (const other of ['1', 'null', '{}', '["a"]']) expect(jsonString(encodeUtf8(other))).toBeUndefined()
  })

  it('names the byte where it stumbled', () => {
    expect(jsonProblem(encodeUtf8('{"a":x}'))?.problem).toContain('byte 5')
    expect(jsonProblem(encodeUtf8('["a'))?.problem).toContain('ends too early')
    expect(jsonProblem(bytesOf({ hex: '5b22ff225d' }))?.problem).toContain('UTF-8 at byte 2')
  })

  it('goes as deep as a payload may, whatever holds it, and never recurses', () => {
    const deep = (levels: number) => encodeUtf8('[{"a":'.repeat(levels / 2) + '1' + '}]'.repeat(levels / 2))
    expect(jsonProblem(deep(limits.jsonDepth))).toBeUndefined()
    expect(jsonProblem(deep(limits.jsonDepth + 2))?.problem).toContain('too deep')
    expect(isProblem(scanArray(deep(limits.jsonScanDepth)))).toBe(false)
    expect(isProblem(scanArray(deep(limits.jsonScanDepth + 2)))).toBe(true)
    expect(jsonProblem(encodeUtf8('['.repeat(1_000_000)))?.problem).toContain('too deep')
  })

  it('gives up at more members and elements than it may hold', () => {
    const members = Array.from({ length: limits.jsonMembers + 1 }, (_, i) => `"${i}":0`)
    expect(isProblem(scanObject(encodeUtf8(`{${members.slice(1).join()}}`)))).toBe(false)
    expect(isProblem(scanObject(encodeUtf8(`{${members.join()}}`)))).toBe(true)
    expect(isProblem(scanArray(encodeUtf8('[1,2,3]'), 3))).toBe(false)
    expect(scanArray(encodeUtf8('[1,2,3]'), 2)).toMatchObject({ code: 'body-too-large' })
  })

  it('reads a view into larger memory without looking around it', () => {
    const around = encodeUtf8('"x"{"a":1}"y"')
    expect(membersOf(around.subarray(3, 10))).toEqual(new Map([['a', '1']]))
    expect(jsonProblem(around.subarray(3, 9))?.problem).toContain('ends too early')
  })
})

describe('line ends between tokens', () => {
  it.each(vectors.lines)('become spaces in $text', ({ text, line }) => {
    expect(textOf(compactLineEnds(encodeUtf8(text)))).toBe(line)
  })

  it('leave the same bytes where there are none, and the input as it was where there are', () => {
    const plain = encodeUtf8('[1, 2]')
    expect(compactLineEnds(plain)).toBe(plain)
    const lined = Buffer.from('[1,\n2]')
    expect(hexOf(compactLineEnds(lined))).toBe(hexOf(encodeUtf8('[1, 2]')))
    expect(lined.toString()).toBe('[1,\n2]')
  })

  it('change nothing of what the JSON means', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const line = textOf(compactLineEnds(encodeUtf8(JSON.stringify(value, null, '\r\n'))))
        expect(line).not.toMatch(/[\r\n]/)
        expect(parsed(line)).toEqual(parsed(JSON.stringify(value)))
      }),
    )
  })
})
