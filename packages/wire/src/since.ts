import type { Cursor } from './cursor.ts'
import { parseCursor } from './cursor.ts'
import { limits } from './limits.ts'
import { isProblem, problemOf } from './problem.ts'
import type { Problem } from './problem.ts'

/** Where a receiver or a subscription begins. `earliest` tells no gap for what was trimmed before it began. */
export type Since =
  | { readonly at: 'cursor'; readonly cursor: Cursor }
  | { readonly at: 'earliest' }
  | { readonly at: 'latest' }
  | { readonly at: 'last'; readonly count: number }

/** The words for it, as they came; the first that is given counts, and each that is given must be well-formed. */
export interface SinceWords {
  /** Header `Last-Event-ID`; empty is none. */
  readonly lastEventId?: string | undefined
  readonly since?: string | undefined
  readonly last?: string | undefined
}

/** Where to begin (CONTRACT section 4), or undefined where nothing says so: then it is `latest`. */
export function parseSince(words: SinceWords): Since | undefined | Problem {
  const { lastEventId, since, last } = words
  const resumed = lastEventId === undefined || lastEventId === '' ? undefined : parseSinceCursor(lastEventId, 'Last-Event-ID is a cursor')
  if (isProblem(resumed)) return resumed
  const asked = since === undefined ? undefined : parseSinceWord(since)
  if (isProblem(asked)) return asked
  const newest = last === undefined ? undefined : parseLast(last)
  return isProblem(newest) ? newest : (resumed ?? asked ?? newest)
}

function parseSinceWord(word: string): Since | Problem {
  return word === 'earliest' || word === 'latest' ? { at: word } : parseSinceCursor(word, 'since is a cursor, earliest or latest')
}

function parseSinceCursor(token: string, expected: string): Since | Problem {
  const cursor = parseCursor(token)
  return cursor === undefined ? problemOf('cursor-invalid', expected) : { at: 'cursor', cursor }
}

/** The newest 0 of a channel is the same as `latest`. */
function parseLast(text: string): Since | Problem {
  const count = wholeNumber(text)
  if (count === undefined) return problemOf('parameter-invalid', 'last is a whole number of publications')
  return count === 0 ? { at: 'latest' } : { at: 'last', count }
}

/** Milliseconds of `wait=<seconds>`; more than `mostMs` counts as that. */
export function parseWaitMs(text: string, mostMs: number = limits.pollWaitMs): number | Problem {
  const seconds = wholeNumber(text)
  if (seconds === undefined) return problemOf('parameter-invalid', 'wait is a whole number of seconds')
  return Math.min(seconds * 1000, mostMs)
}

/** Publications of an answer, from 1; more than `most` counts as that. */
export function parseLimit(text: string, most: number = limits.pollPublications): number | Problem {
  const count = wholeNumber(text)
  if (count === undefined || count === 0) return problemOf('parameter-invalid', 'limit is a whole number of publications from 1')
  return Math.min(count, most)
}

export type OnGap = 'continue' | 'latest' | 'stop'

/** What to do at a gap; absent is `continue`. */
export function parseOnGap(text: string | undefined): OnGap | Problem {
  if (text === undefined) return 'continue'
  if (text === 'continue' || text === 'latest' || text === 'stop') return text
  return problemOf('parameter-invalid', 'onGap is latest or stop')
}

/** Of any size: where a limit counts instead, it does for the largest too. */
function wholeNumber(text: string): number | undefined {
  return /^[0-9]{1,32}$/.test(text) ? Math.min(Number(text), Number.MAX_SAFE_INTEGER) : undefined
}

// Empty elements of a list are passed over (RFC 9110, section 5.6.1).
const preferenceShape =
  /[ \t]*(?:([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?:[ \t]*=[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+|"(?:[^"\\]|\\.)*"))?[ \t]*)?(;|,|$)/y

/** Milliseconds of `Prefer: wait=<seconds>` (RFC 7240, sections 2 and 4.3); a preference that is not well-formed is ignored. The first `wait` counts. */
export function preferredWaitMs(prefer: string | undefined, mostMs: number = limits.pollWaitMs): number | undefined {
  if (prefer === undefined || prefer.length > limits.headersBytes) return undefined
  let parameter = false
  for (let at = 0; at < prefer.length; at = preferenceShape.lastIndex) {
    preferenceShape.lastIndex = at
    const found = preferenceShape.exec(prefer)
    if (found === null) return undefined
    if (!parameter && found[1]?.toLowerCase() === 'wait') {
      const wait = parseWaitMs((found[2] ?? '').replace(/^"(.*)"$/, '$1'), mostMs)
      return isProblem(wait) ? undefined : wait
    }
    parameter = found[3] === ';'
    if (found[3] === '') break
  }
  return undefined
}

/** The value of `Preference-Applied` for a wait that was granted. */
export function preferenceApplied(waitMs: number): string {
  return `wait=${Math.floor(waitMs / 1000)}`
}
