import { runInNewContext } from 'node:vm'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  ByteWriter,
  callbackProblem,
  encodeUtf8,
  jsonpFrame,
  scriptJson,
  scriptFrame,
  writeScript,
  writeScriptJson,
  writeScriptPage,
} from '../src/index.ts'
import type { ScriptTarget } from '../src/index.ts'
import { readVectors, textOf } from './vectors.ts'

const vectors = readVectors('script') as {
  expressions: { json: string; script: string }[]
  elements: { nonce: string; target: ScriptTarget; json: string; element: string }[]
  calls: { callback: string; json: string; script: string }[]
  callbacks: { name: string; allowed: boolean }[]
}

function scriptOf(json: string): string {
  const out = new ByteWriter(1)
  writeScriptJson(out, encodeUtf8(json))
  return textOf(out.slice())
}

/** What a script engine makes of it, as JSON; `JSON.stringify` shows own members only, so a set prototype would be seen. */
function meant(script: string): string {
  return runInNewContext(`JSON.stringify(${script})`) as string
}

describe('JSON in a script', () => {
  it.each(vectors.expressions)('$json is $script', ({ json, script }) => {
    expect(scriptOf(json)).toBe(script)
    expect(meant(script)).toBe(JSON.stringify(JSON.parse(json)))
  })

  it('means what it meant, and shows nothing to markup, whatever it is', () => {
    const unit = fc.constantFrom(
      '<',
      '/script>',
      '<!--',
      "'",
      '"',
      '\\',
      '&',
      '\u2028',
      '\u2029',
      '\0',
      '\ud800',
      '__proto__',
      '[',
      ']:',
      'é',
      '\r\n',
    )
    const word = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(unit).map((units) => units.join('')),
      fc.constant('__proto__'),
    )
    const value = fc.letrec<{ value: unknown; json: string }>((tie) => ({
      value: fc.anything(),
      json: fc.oneof(
        { depthSize: 'small' },
        word.map((text) => JSON.stringify(text)),
        fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
        fc.array(tie('json')).map((items) => `[${items.join(' ,')}]`),
        fc
          .array(fc.tuple(word, tie('json')))
          .map((members) => `{${members.map(([name, json]) => `${JSON.stringify(name)} :${json}`).join(',')}}`),
      ),
    })).json
    fc.assert(
      fc.property(value, (json) => {
        const script = scriptOf(json)
        expect(script).not.toMatch(/[<>&'\u2028\u2029]/)
        expect(meant(script)).toBe(JSON.stringify(JSON.parse(json)))
      }),
      { numRuns: 2000 },
    )
  })
})

describe('a script element', () => {
  it.each(vectors.elements)('is $element', ({ nonce, target, json, element }) => {
    const out = new ByteWriter(1)
    writeScript(out, scriptFrame(nonce, target), encodeUtf8(json))
    expect(textOf(out.slice())).toBe(element)
  })

  it('comes after a page that is long enough for browsers to begin', () => {
    const out = new ByteWriter(1)
    writeScriptPage(out)
    expect(out.length).toBeGreaterThan(2048)
    expect(textOf(out.slice())).toMatch(/^<!DOCTYPE html>\s*<html>/)
  })

  it('posts to no origin that ends its string', () => {
    const { tail } = scriptFrame('n', { origin: 'https://a");alert(1)//</script>' })
    expect(tail).toBe(',"https://a\\");alert(1)//\\u003c/script\\u003e")</script>\n')
  })
})

describe('a call of JSONP', () => {
  it.each(vectors.calls)('is $script', ({ callback, json, script }) => {
    const { head, tail } = jsonpFrame(callback)
    expect(head + textOf(scriptJson(encodeUtf8(json))) + tail).toBe(script)
  })

  it.each(vectors.callbacks)('of $name: $allowed', ({ name, allowed }) => {
    expect(callbackProblem(name) === undefined).toBe(allowed)
  })
})
