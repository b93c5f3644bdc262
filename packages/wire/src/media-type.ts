import { limits } from './limits.ts'
import type { Problem } from './problem.ts'
import { problemOf } from './problem.ts'

/** A media type (RFC 9110, section 8.3.1) in lower case, with its parameters in order. */
export interface MediaType {
  /** `type/subtype`. */
  readonly essence: string
  readonly parameters: readonly (readonly [name: string, value: string])[]
}

const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
const essenceShape = new RegExp(`^${token}/${token}$`)
const parameterShape = new RegExp(`[ \\t]*;[ \\t]*(?:(${token})=(?:(${token})|"((?:[\\t !#-\\[\\]-~]|\\\\[\\t -~])*)"))?`, 'y')
const tokenShape = new RegExp(`^${token}$`)

/** Reads a media type strictly: ASCII, at most `limits.headerValueBytes`; the last of parameters with one name does not count, the first does. */
export function parseMediaType(text: string): MediaType | Problem {
  if (text.length > limits.headerValueBytes)
    return problemOf('parameter-invalid', `a media type has at most ${limits.headerValueBytes} bytes`)
  const trimmed = text.replace(/^[ \t]+|[ \t]+$/g, '')
  const semicolon = trimmed.indexOf(';')
  const essence = (semicolon < 0 ? trimmed : trimmed.slice(0, semicolon)).trimEnd().toLowerCase()
  if (!essenceShape.test(essence)) return problemOf('parameter-invalid', 'a media type is written type/subtype')
  const parameters = semicolon < 0 ? [] : readParameters(trimmed, semicolon)
  return parameters === undefined
    ? problemOf('parameter-invalid', 'the parameters of the media type are not well-formed')
    : { essence, parameters }
}

function readParameters(text: string, start: number): (readonly [string, string])[] | undefined {
  const parameters = new Map<string, string>()
  let at = start
  while (at < text.length) {
    parameterShape.lastIndex = at
    const found = parameterShape.exec(text)
    if (found === null) return undefined
    at = parameterShape.lastIndex
    const name = found[1]?.toLowerCase()
    if (name !== undefined && !parameters.has(name)) parameters.set(name, found[2] ?? (found[3] ?? '').replace(/\\(.)/g, '$1'))
  }
  return [...parameters]
}

/** The one way to write a media type, without the parameter `except`. */
export function formatMediaType(media: MediaType, except?: string): string {
  let text = media.essence
  for (const [name, value] of media.parameters) {
    if (name === except) continue
    text += `; ${name}=${tokenShape.test(value) ? value : `"${value.replace(/["\\]/g, '\\$&')}"`}`
  }
  return text
}
