import type { ErrorCode } from './errors.ts'
import { FanfareError } from './errors.ts'

/**
 * What is wrong with an input, as data: parsers of this package answer with what they read or with a problem, and never throw for what came from outside.
 * `code` is the row of the error table that fits at the edge.
 */
export interface Problem {
  readonly problem: string
  readonly code: ErrorCode
}

export function problemOf(code: ErrorCode, problem: string): Problem {
  return { problem, code }
}

export function isProblem(value: unknown): value is Problem {
  return typeof value === 'object' && value !== null && 'problem' in value && 'code' in value
}

/** The value, or throws the problem as a FanfareError: for edges that answer errors in one place. */
export function orThrow<T>(value: T | Problem): T {
  if (isProblem(value)) throw new FanfareError(value.code, value.problem)
  return value
}
