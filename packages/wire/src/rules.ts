import { channelMatcher } from './channel.ts'
import { limits } from './limits.ts'
import { problemOf } from './problem.ts'
import type { Problem } from './problem.ts'

/** How much of a channel is kept, whichever comes first; `null` lifts a limit. Bytes are those of the payloads. */
export interface Keep {
  readonly publications: number | null
  readonly ageMs: number | null
  readonly bytes: number | null
}

/** Options of the channels that match a pattern; the first rule whose pattern matches counts. */
export interface Rule {
  readonly match: string
  readonly keep: Keep
  readonly payloadBytes: number
  /** Polls of it may be cached and shared. */
  readonly public: boolean
}

export const defaultKeep: Keep = { publications: 10_000, ageMs: 24 * 3_600_000, bytes: 16 * 1024 * 1024 }

/** What a rule leaves out, and the rule of channels that no pattern matches. */
export const defaultRule: Rule = { match: '**', keep: defaultKeep, payloadBytes: limits.payloadBytes, public: false }

/** Finds the rule of a channel: the first whose pattern matches, else `defaultRule`. Patterns are compiled once. */
export function ruleFinder(rules: readonly Rule[]): (channel: string) => Rule {
  const compiled = rules.map((rule) => ({ rule, matches: channelMatcher(rule.match) }))
  return (channel) => compiled.find(({ matches }) => matches(channel))?.rule ?? defaultRule
}

const durations: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const sizes: Readonly<Record<string, number>> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3, TiB: 1024 ** 4 }

/** Milliseconds of a duration such as `250ms`, `15s`, `5m`, `24h`, `7d`. */
export function parseDurationMs(word: string): number | Problem {
  return parseQuantity(word, durations, 'a duration is a whole number with ms, s, m, h or d, such as 24h')
}

/** Bytes of a size such as `512B`, `4KiB`, `1MiB`, `2GiB`. */
export function parseSizeBytes(word: string): number | Problem {
  return parseQuantity(word, sizes, 'a size is a whole number with B, KiB, MiB, GiB or TiB, such as 16MiB')
}

/** A count such as `10000`. */
export function parseCount(word: string): number | Problem {
  return parseQuantity(word, { '': 1 }, 'a count is a whole number')
}

/** A limit of `keep`: `none` lifts it, anything else is read by `parse`. */
export function parseOrNone(word: string, parse: (word: string) => number | Problem): number | null | Problem {
  return word === 'none' ? null : parse(word)
}

function parseQuantity(word: string, units: Readonly<Record<string, number>>, expected: string): number | Problem {
  const found = /^([0-9]{1,16})[ ]?([A-Za-z]*)$/.exec(word)
  const unit = found?.[2] ?? ''
  const factor = Object.hasOwn(units, unit) ? units[unit] : undefined
  if (found === null || factor === undefined) return problemOf('parameter-invalid', `${expected}, not ${JSON.stringify(word.slice(0, 40))}`)
  const value = Number(found[1]) * factor
  return Number.isSafeInteger(value) ? value : problemOf('parameter-invalid', `${JSON.stringify(word)} is too large`)
}
