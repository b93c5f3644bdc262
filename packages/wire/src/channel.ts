import { utf8Length } from './byte-writer.ts'
import { FanfareError } from './errors.ts'
import { limits } from './limits.ts'

// Control characters (C0, DEL, C1), white space, and the characters that patterns and addresses need for themselves.
const forbidden = /[\p{Cc}\p{Z}\p{Cs}*?#,%+{}]/u

/** Says what is wrong with a channel's name, or nothing. The rules are those of CONTRACT section 1. */
export function channelProblem(name: string): string | undefined {
  if (name === '') return 'a channel name has at least 1 byte'
  if (utf8Length(name) > limits.channelNameBytes) return `a channel name has at most ${limits.channelNameBytes} bytes of UTF-8`
  if (forbidden.test(name)) return 'a channel name has no control characters, white space, lone surrogates or any of * ? # , % + { }'
  if (name.normalize('NFC') !== name) return 'a channel name is in Unicode normalization form C'
  for (const segment of name.split('/')) {
    if (segment === '') return 'a channel name has no empty segment: none at its beginning, at its end, or between two slashes'
    if (segment === '.' || segment === '..') return 'a segment of a channel name is never . or ..'
  }
  return undefined
}

/** Throws `channel-name-invalid`, or `channel-reserved` for names that begin with `$`. */
export function assertChannel(name: string): void {
  const problem = channelProblem(name)
  if (problem !== undefined) throw new FanfareError('channel-name-invalid', problem)
  if (name.startsWith('$'))
    throw new FanfareError('channel-reserved', 'channels whose first segment begins with $ are reserved for Fanfare')
}

/** Says what is wrong with a pattern of a rule, or nothing. `*` is one segment, `**` one or more. */
export function patternProblem(pattern: string): string | undefined {
  const literal = pattern.split('/').map((segment) => (segment === '*' || segment === '**' ? 'x' : segment))
  const problem = channelProblem(literal.join('/'))
  return problem === undefined ? undefined : `in a pattern, * and ** are whole segments; besides, ${problem}`
}

/** True where the channel's name fits the pattern. */
export type ChannelMatcher = (channel: string) => boolean

/** A matcher for a pattern in which `patternProblem` finds nothing. */
export function channelMatcher(pattern: string): ChannelMatcher {
  if (pattern === '**') return () => true
  const wanted = pattern.split('/')
  if (!wanted.includes('*') && !wanted.includes('**')) return (channel) => channel === pattern
  return (channel) => segmentsMatch(wanted, channel.split('/'))
}

/** Greedy with one point of return, so that no pattern takes more than wanted x given steps. */
function segmentsMatch(wanted: readonly string[], given: readonly string[]): boolean {
  let w = 0
  let g = 0
  let returnTo = -1
  let taken = 0
  while (g < given.length) {
    if (wanted[w] === '**') {
      returnTo = w++
      taken = ++g
    } else if (w < wanted.length && (wanted[w] === '*' || wanted[w] === given[g])) {
      w++
      g++
    } else if (returnTo >= 0) {
      w = returnTo + 1
      g = ++taken
    } else {
      return false
    }
  }
  return w === wanted.length
}
