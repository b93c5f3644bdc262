import { AssertionError } from 'node:assert'
import { inspect, isDeepStrictEqual } from 'node:util'

/** What checks claim, in the words of the test runner: the same checks run under it and outside of it. */
export interface Claims {
  toBe(expected: unknown): void
  toEqual(expected: unknown): void
  /** Has at least these members; lists have the same length. */
  toMatchObject(expected: object): void
  toHaveLength(length: number): void
  /** A text, or a list, that holds this. */
  toContain(part: unknown): void
  toMatch(pattern: RegExp): void
  toBeGreaterThan(bound: number): void
  toBeDefined(): void
  toBeUndefined(): void
}

export function expect(actual: unknown): Claims {
  const equals = (expected: unknown, holds: boolean): void => {
    if (!holds) throw new AssertionError({ actual, expected, operator: 'deepStrictEqual', stackStartFn: equals })
  }
  const claim = (holds: boolean, text: string): void => {
    if (!holds) throw new AssertionError({ message: `${shown(actual)} ${text}`, actual, stackStartFn: claim })
  }
  return {
    toBe: (expected) => equals(expected, Object.is(actual, expected)),
    toEqual: (expected) => equals(expected, isDeepStrictEqual(actual, expected)),
    toMatchObject: (expected) => claim(matches(actual, expected), `is not like ${shown(expected)}`),
    toHaveLength: (length) => claim((actual as { length?: unknown } | undefined)?.length === length, `hasn't the length ${length}`),
    toContain: (part) =>
      claim(
        typeof actual === 'string' ? actual.includes(String(part)) : Array.isArray(actual) && actual.includes(part),
        `doesn't hold ${shown(part)}`,
      ),
    toMatch: (pattern) => claim(typeof actual === 'string' && pattern.test(actual), `doesn't match ${String(pattern)}`),
    toBeGreaterThan: (bound) => claim(typeof actual === 'number' && actual > bound, `isn't greater than ${bound}`),
    toBeDefined: () => claim(actual !== undefined, 'should be there'),
    toBeUndefined: () => claim(actual === undefined, 'should not be there'),
  }
}

/** Stands for any value of a kind, within `toMatchObject`. */
export function anyOf(kind: 'string' | 'number'): unknown {
  return new AnyOf(kind)
}

class AnyOf {
  readonly kind: string

  constructor(kind: string) {
    this.kind = kind
  }
}

function matches(actual: unknown, expected: unknown): boolean {
  if (expected instanceof AnyOf) return typeof actual === expected.kind
  if (Array.isArray(expected))
    return Array.isArray(actual) && actual.length === expected.length && expected.every((one, index) => matches(actual[index], one))
  if (typeof expected !== 'object' || expected === null) return Object.is(actual, expected)
  if (typeof actual !== 'object' || actual === null) return false
  return Object.entries(expected).every(([name, value]) => matches((actual as Record<string, unknown>)[name], value))
}

function shown(value: unknown): string {
  const text = inspect(value, { depth: 6, breakLength: Infinity, maxStringLength: 400 })
  return text.length > 600 ? `${text.slice(0, 600)}…` : text
}
