import { isIP } from 'node:net'
import {
  channelProblem,
  eventProblem,
  isProblem,
  labelProblem,
  parseCursor,
  parseDurationMs,
  parseMediaType,
  problemOf,
} from '@fanfare/wire'
import type { Problem } from '@fanfare/wire'

// From the words of flags, environment and file to values. Each says what was expected where a word doesn't fit.

export interface Listen {
  readonly host: string
  /** 0 takes any free one. */
  readonly port: number
}

function wrong(expected: string, word: string): Problem {
  return problemOf('parameter-invalid', `${expected}, not ${JSON.stringify(word.slice(0, 80))}`)
}

/** `127.0.0.1:8000`, `[::1]:8000`, `localhost:8000`, or a port alone on 127.0.0.1. */
export function parseListen(word: string): Listen | Problem {
  const found = /^(?:(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]\s/]+)):)?([0-9]{1,5})$/.exec(word)
  const port = Number(found?.[3])
  if (found === null || port > 65_535) return wrong('an address is HOST:PORT, such as 127.0.0.1:8000 or [::1]:8000', word)
  const six = found[1]
  if (six !== undefined && isIP(six) !== 6) return wrong('between [ and ] stands an IPv6 address', word)
  return { host: six ?? found[2] ?? '127.0.0.1', port }
}

export function parseBoolean(word: string): boolean | Problem {
  if (word === 'true' || word === '1' || word === 'yes') return true
  if (word === 'false' || word === '0' || word === 'no') return false
  return wrong('must be true or false', word)
}

/** One of a few words; `told` are those that a refusal names. */
export function oneOf<const T extends string>(choices: readonly T[]): (word: string) => T | Problem {
  const expected = choices.length === 2 ? `must be ${choices.join(' or ')}` : `must be one of ${choices.join(', ')}`
  return (word) => choices.find((choice) => choice === word) ?? wrong(expected, word)
}

/** A list with commas between its words; each is read by `parse`. */
export function listOf<T>(parse: (word: string) => T | Problem): (word: string) => readonly T[] | Problem {
  return (word) => {
    const values: T[] = []
    for (const part of word.split(',')) {
      const value = parse(part.trim())
      if (isProblem(value)) return value
      values.push(value)
    }
    return values
  }
}

/** Any text but none at all. */
export function parseText(word: string): string | Problem {
  return word === '' ? problemOf('parameter-invalid', 'must have a value') : word
}

/** An origin as browsers send it (RFC 6454, section 6.2): no path, no default port, lower case. */
export function parseOrigin(word: string): string | Problem {
  const url = URL.canParse(word) ? new URL(word) : undefined
  if (url !== undefined && (url.protocol === 'http:' || url.protocol === 'https:') && url.origin === word.toLowerCase()) return url.origin
  const meant = url !== undefined && url.origin !== 'null' ? ` (${url.origin}?)` : ''
  return problemOf('parameter-invalid', `an origin is written https://app.example.com, without a path, not ${JSON.stringify(word)}${meant}`)
}

/** A name as `Host` headers have it, with a port where it isn't the default one. */
export function parseHost(word: string): string | Problem {
  if (/^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$/.test(word)) return word.toLowerCase()
  return wrong('a host is written push.example.com, without http:// and without a path', word)
}

/** Where a server is: http or https, a path in front of its addresses allowed. */
export function parseUrl(word: string): URL | Problem {
  const url = URL.canParse(word) ? new URL(word) : undefined
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:') || url.search !== '' || url.hash !== '') {
    return wrong('a server is named by an address such as http://127.0.0.1:8000', word)
  }
  return url
}

export function parseEvent(word: string): string | Problem {
  return eventProblem(word) ?? word
}

export function parseKey(word: string): string | Problem {
  return labelProblem('key', word) ?? word
}

export function parseType(word: string): string | Problem {
  const media = parseMediaType(word)
  return isProblem(media) ? media : word
}

export function parseSinceText(word: string): string | Problem {
  if (word === 'earliest' || word === 'latest' || parseCursor(word) !== undefined) return word
  return wrong('must be a cursor, earliest or latest', word)
}

export function parseLastCount(word: string): number | Problem {
  return /^[0-9]{1,9}$/.test(word) ? Number(word) : wrong('must be a whole number of publications', word)
}

/** Milliseconds, or null for `none`. */
export function parsePatience(word: string): number | null | Problem {
  return word === 'none' ? null : parseDurationMs(word)
}

/** The channel, if its name is allowed for users. */
export function parseChannel(word: string): string | Problem {
  const problem = channelProblem(word)
  if (problem !== undefined) return problemOf('channel-name-invalid', `${JSON.stringify(word)}: ${problem}`)
  return word
}
