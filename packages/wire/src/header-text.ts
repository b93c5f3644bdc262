import type { Problem } from './problem.ts'
import { problemOf } from './problem.ts'
import { encodeUtf8, isUtf8, decodeUtf8 } from './utf8.ts'

const hex = '0123456789ABCDEF'

/** Any text as a header's value: visible ASCII as it is, the rest and `%` as percent-encoded UTF-8. */
export function encodeHeaderText(text: string): string {
  if (/^[!-$&-~]*$/.test(text)) return text
  let value = ''
  for (const byte of encodeUtf8(text)) {
    value += byte > 0x20 && byte < 0x7f && byte !== 0x25 ? String.fromCharCode(byte) : `%${hex.charAt(byte >> 4)}${hex.charAt(byte & 15)}`
  }
  return value
}

/** The text of such a value; spaces inside may stand for themselves. Anything else outside ASCII, a `%` without two digits, or bytes that are not UTF-8: a problem. */
export function decodeHeaderText(value: string): string | Problem {
  if (!/^(?:[ -$&-~]|%[0-9A-Fa-f]{2})*$/.test(value)) return problemOf('parameter-invalid', 'a header value is percent-encoded UTF-8')
  if (!value.includes('%')) return value
  const bytes = new Uint8Array(value.length)
  let length = 0
  for (let at = 0; at < value.length; at++) {
    const escaped = value[at] === '%'
    bytes[length++] = escaped ? Number.parseInt(value.slice(at + 1, at + 3), 16) : value.charCodeAt(at)
    if (escaped) at += 2
  }
  const read = bytes.subarray(0, length)
  return isUtf8(read) ? decodeUtf8(read) : problemOf('parameter-invalid', 'a header value is percent-encoded UTF-8')
}
