import { isProblem, problemOf } from '@fanfare/wire'
import type { Problem } from '@fanfare/wire'

/** What a request line asks for. */
export interface Target {
  /** As it came, percent-encoded. */
  readonly path: string
  /** Without its question mark. */
  readonly query: string
  /** Of a target in absolute form (RFC 9112, section 3.2.2): it overrides the Host field. */
  readonly authority: string | undefined
}

const allowed = /^[!-"$-~]*$/
const absolute = /^https?:\/\/([^/?]*)(\/[^?]*)?(?:\?(.*))?$/i

/** Below a prefix, what the rest of the path asks for: an empty path is the prefix itself. */
export function parseTarget(url: string, prefix = ''): Target | Problem {
  const target = wholeTarget(url)
  if (prefix === '' || isProblem(target) || target.path === '*') return target
  if (!isBelow(target.path, prefix)) return problemOf('address-unknown', `publish and receive below ${prefix}/`)
  return { ...target, path: target.path.slice(prefix.length) }
}

/** The path that a request line asks for; undefined where it is none. */
export function pathOf(url: string): string | undefined {
  const target = wholeTarget(url)
  return isProblem(target) ? undefined : target.path
}

/** Is the path the prefix itself, or below it? */
export function isBelow(path: string, prefix: string): boolean {
  return path.startsWith(prefix) && (path.length === prefix.length || path[prefix.length] === '/')
}

function wholeTarget(url: string): Target | Problem {
  if (!allowed.test(url)) return problemOf('request-malformed', 'the request target has characters that a URL has not')
  if (url.startsWith('/')) {
    const mark = url.indexOf('?')
    return mark < 0
      ? { path: url, query: '', authority: undefined }
      : { path: url.slice(0, mark), query: url.slice(mark + 1), authority: undefined }
  }
  if (url === '*') return { path: '*', query: '', authority: undefined }
  const found = absolute.exec(url)
  if (found === null) return problemOf('request-malformed', 'the request target is a path or an http URL')
  return { path: found[2] ?? '/', query: found[3] ?? '', authority: found[1] ?? '' }
}

/** The name after a prefix, percent-decoded once. */
export function decodeName(encoded: string): string | Problem {
  if (!encoded.includes('%')) return encoded
  try {
    return decodeURIComponent(encoded)
  } catch {
    return problemOf('channel-name-invalid', 'the percent-encoding of the name is not UTF-8')
  }
}

export type Query = ReadonlyMap<string, readonly string[]>

/** Parameters of a query (URL Standard, section 5.1), but what is not well-formed UTF-8 is a problem and never repaired. */
export function parseQuery(query: string): Query | Problem {
  const found = new Map<string, string[]>()
  if (query === '') return found
  for (const pair of query.split('&')) {
    if (pair === '') continue
    const equals = pair.indexOf('=')
    const name = decodePart(equals < 0 ? pair : pair.slice(0, equals))
    const value = decodePart(equals < 0 ? '' : pair.slice(equals + 1))
    if (name === undefined || value === undefined) return problemOf('parameter-invalid', 'the percent-encoding of the query is not UTF-8')
    const values = found.get(name)
    if (values === undefined) found.set(name, [value])
    else values.push(value)
  }
  return found
}

/** The value of a parameter that may be given once. */
export function onlyValue(query: Query, name: string): string | undefined | Problem {
  const values = query.get(name)
  return values !== undefined && values.length > 1 ? problemOf('parameter-invalid', `${name} is given more than once`) : values?.[0]
}

function decodePart(text: string): string | undefined {
  const spaced = text.includes('+') ? text.replaceAll('+', ' ') : text
  if (!spaced.includes('%')) return spaced
  try {
    return decodeURIComponent(spaced)
  } catch {
    return undefined
  }
}
