import { limits } from './limits.ts'
import type { Problem } from './problem.ts'
import { problemOf } from './problem.ts'
import { decodeUtf8, utf8SequenceLength } from './utf8.ts'

/**
 * A strict scanner for JSON (RFC 8259) that checks without building: values stay the bytes that somebody wrote, so `1e400`, integers of 20 digits, escapes
 * and the order of members survive. It accepts what `JSON.parse` accepts of valid UTF-8 without a BOM. A payload has at most `limits.jsonDepth` levels; what holds payloads is scanned to `limits.jsonScanDepth`,
 * so that one payload that is too deep is refused alone and not with everything around it.
 */
export type JsonSlice = Uint8Array

/** What is wrong with the bytes as one JSON text, or nothing. */
export function jsonProblem(bytes: Uint8Array): Problem | undefined {
  const end = skipValue(bytes, 0, limits.jsonDepth)
  if (end < 0) return faultProblem(bytes, end)
  const rest = skipSpace(bytes, end)
  return rest === bytes.length ? undefined : faultProblem(bytes, fault(rest, syntax))
}

/** The members of an object, each with the bytes of its value; of members with one name the last counts. More than `limits.jsonMembers` are a problem. */
export function scanObject(bytes: Uint8Array): Map<string, JsonSlice> | Problem {
  const members = new Map<string, JsonSlice>()
  let at = skipSpace(bytes, 0)
  if (bytes[at] !== braceOpen) return problemOf('payload-malformed', 'a JSON object was expected')
  at = skipSpace(bytes, at + 1)
  let closed = bytes[at] === braceClose
  while (!closed) {
    const nameEnd = bytes[at] === quote ? skipString(bytes, at) : fault(at, syntax)
    if (nameEnd < 0) return faultProblem(bytes, nameEnd)
    const colonAt = skipSpace(bytes, nameEnd)
    if (bytes[colonAt] !== colon) return faultProblem(bytes, fault(colonAt, syntax))
    const from = skipSpace(bytes, colonAt + 1)
    const end = skipValue(bytes, from, limits.jsonScanDepth)
    if (end < 0) return faultProblem(bytes, end)
    members.set(stringBetween(bytes, at, nameEnd), bytes.subarray(from, end))
    if (members.size > limits.jsonMembers)
      return problemOf('payload-malformed', `a JSON object here has at most ${limits.jsonMembers} members`)
    at = skipSpace(bytes, end)
    closed = bytes[at] === braceClose
    if (!closed) {
      if (bytes[at] !== comma) return faultProblem(bytes, fault(at, syntax))
      at = skipSpace(bytes, at + 1)
    }
  }
  const rest = skipSpace(bytes, at + 1)
  return rest === bytes.length ? members : faultProblem(bytes, fault(rest, syntax))
}

/** The elements of an array, each as its bytes. More than `most` are a problem. */
export function scanArray(bytes: Uint8Array, most: number = limits.batchItems): JsonSlice[] | Problem {
  const elements: JsonSlice[] = []
  let at = skipSpace(bytes, 0)
  if (bytes[at] !== bracketOpen) return problemOf('payload-malformed', 'a JSON array was expected')
  at = skipSpace(bytes, at + 1)
  let closed = bytes[at] === bracketClose
  while (!closed) {
    if (elements.length === most) return problemOf('body-too-large', `a JSON array here has at most ${most} elements`)
    const end = skipValue(bytes, at, limits.jsonScanDepth)
    if (end < 0) return faultProblem(bytes, end)
    elements.push(bytes.subarray(at, end))
    at = skipSpace(bytes, end)
    closed = bytes[at] === bracketClose
    if (!closed) {
      if (bytes[at] !== comma) return faultProblem(bytes, fault(at, syntax))
      at = skipSpace(bytes, at + 1)
    }
  }
  const rest = skipSpace(bytes, at + 1)
  return rest === bytes.length ? elements : faultProblem(bytes, fault(rest, syntax))
}

/** The text of a slice that is a JSON string, or undefined where it is another value. The slice was checked before. */
export function jsonString(slice: JsonSlice): string | undefined {
  return slice[0] === quote ? stringBetween(slice, 0, slice.length) : undefined
}

/** True for the slice of `null`. */
export function isJsonNull(slice: JsonSlice): boolean {
  return slice[0] === 0x6e
}

/** What is wrong with a slice as a payload: that it is too deep, or nothing. Shorter ones can't be, so they aren't looked at again. */
export function payloadDepthProblem(slice: JsonSlice): Problem | undefined {
  return slice.length > 2 * limits.jsonDepth ? jsonProblem(slice) : undefined
}

/** Line ends between tokens become spaces (inside strings there are none), so that the JSON is one line. The same bytes where there are none. */
export function compactLineEnds(bytes: Uint8Array): Uint8Array {
  if (!bytes.includes(lineFeed) && !bytes.includes(carriageReturn)) return bytes
  const line = new Uint8Array(bytes)
  for (let at = 0; at < line.length; at++) {
    const byte = line[at]
    if (byte === lineFeed || byte === carriageReturn) line[at] = space
  }
  return line
}

const space = 0x20
const tab = 0x09
const lineFeed = 0x0a
const carriageReturn = 0x0d
const quote = 0x22
const comma = 0x2c
const colon = 0x3a
const backslash = 0x5c
const bracketOpen = 0x5b
const bracketClose = 0x5d
const braceOpen = 0x7b
const braceClose = 0x7d

// A position is the index after what was read; a fault is a negative number that holds its index and kind, so that scanning makes no objects.
const syntax = 0
const encoding = 1
const depth = 2

function fault(at: number, kind: number): number {
  return -1 - (at * 4 + kind)
}

function faultProblem(bytes: Uint8Array, position: number): Problem {
  const packed = -1 - position
  const at = Math.floor(packed / 4)
  if (packed % 4 === depth) return problemOf('payload-malformed', `the JSON is nested too deep at byte ${at}`)
  if (at >= bytes.length) return problemOf('payload-malformed', 'the JSON ends too early')
  return problemOf(
    'payload-malformed',
    packed % 4 === encoding ? `the JSON is not UTF-8 at byte ${at}` : `the JSON is not well-formed at byte ${at}`,
  )
}

function skipSpace(bytes: Uint8Array, start: number): number {
  let at = start
  for (; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0
    if (byte > space || (byte !== space && byte !== lineFeed && byte !== carriageReturn && byte !== tab)) return at
  }
  return at
}

// A byte a level: what closes it. Scanning is one synchronous run, so all scans share it.
const closers = new Uint8Array(limits.jsonScanDepth)

/** The end of the value that begins at `start` (after white space), or a fault. At most `most` levels; without recursion. */
function skipValue(bytes: Uint8Array, start: number, most: number): number {
  let open = 0
  let at = start
  for (;;) {
    at = skipSpace(bytes, at)
    const byte = at < bytes.length ? (bytes[at] ?? 0) : 0
    if (byte === braceOpen || byte === bracketOpen) {
      if (open === most) return fault(at, depth)
      const closer = byte + 2
      at = skipSpace(bytes, at + 1)
      if (bytes[at] !== closer) {
        closers[open++] = closer
        if (closer === braceClose) at = skipName(bytes, at)
        if (at < 0) return at
        continue
      }
      at++
    } else {
      at = byte === quote ? skipString(bytes, at) : skipScalar(bytes, at, byte)
      if (at < 0) return at
    }
    while (open > 0) {
      at = skipSpace(bytes, at)
      const next = bytes[at]
      const closer = closers[open - 1]
      if (next === comma) {
        at = closer === braceClose ? skipName(bytes, skipSpace(bytes, at + 1)) : at + 1
        break
      }
      if (next !== closer) return fault(at, syntax)
      at++
      open--
    }
    if (open === 0 || at < 0) return at
  }
}

/** A member's name and its colon. */
function skipName(bytes: Uint8Array, start: number): number {
  if (bytes[start] !== quote) return fault(start, syntax)
  const end = skipString(bytes, start)
  if (end < 0) return end
  const at = skipSpace(bytes, end)
  return bytes[at] === colon ? at + 1 : fault(at, syntax)
}

// 1 for the bytes that stand for themselves in a string: one look-up each is what long strings cost.
const plain = Uint8Array.from({ length: 256 }, (_, byte) => (byte >= space && byte < 0x80 && byte !== quote && byte !== backslash ? 1 : 0))

function skipString(bytes: Uint8Array, start: number): number {
  const length = bytes.length
  let at = start + 1
  for (;;) {
    while (at < length && plain[bytes[at] ?? 0] === 1) at++
    if (at >= length) return fault(length, syntax)
    const byte = bytes[at] ?? 0
    if (byte === quote) return at + 1
    if (byte < space) return fault(at, syntax)
    const step = byte === backslash ? escapeLength(bytes, at) : utf8SequenceLength(bytes, at)
    if (step === 0) return fault(at, byte === backslash ? syntax : encoding)
    at += step
  }
}

function escapeLength(bytes: Uint8Array, at: number): number {
  switch (bytes[at + 1] ?? 0) {
    case quote:
    case backslash:
    case 0x2f:
    case 0x62:
    case 0x66:
    case 0x6e:
    case 0x72:
    case 0x74:
      return 2
    case 0x75:
      return isHex(bytes[at + 2]) && isHex(bytes[at + 3]) && isHex(bytes[at + 4]) && isHex(bytes[at + 5]) ? 6 : 0
    default:
      return 0
  }
}

function isHex(byte: number | undefined): boolean {
  return byte !== undefined && (isDigit(byte) || ((byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x66))
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39
}

/** `true`, `false`, `null` or a number. */
function skipScalar(bytes: Uint8Array, at: number, first: number): number {
  if (first === 0x74) return skipWord(bytes, at, 'true')
  if (first === 0x66) return skipWord(bytes, at, 'false')
  return first === 0x6e ? skipWord(bytes, at, 'null') : skipNumber(bytes, at)
}

function skipWord(bytes: Uint8Array, start: number, word: string): number {
  for (let i = 1; i < word.length; i++) if (bytes[start + i] !== word.charCodeAt(i)) return fault(start + i, syntax)
  return start + word.length
}

function skipNumber(bytes: Uint8Array, start: number): number {
  let at = bytes[start] === 0x2d ? start + 1 : start
  if (bytes[at] === 0x30) at++
  else at = skipDigits(bytes, at)
  if (at >= 0 && bytes[at] === 0x2e) at = skipDigits(bytes, at + 1)
  if (at >= 0 && ((bytes[at] ?? 0) | 0x20) === 0x65) {
    const sign = bytes[at + 1]
    at = skipDigits(bytes, sign === 0x2b || sign === 0x2d ? at + 2 : at + 1)
  }
  return at
}

/** At least one digit. */
function skipDigits(bytes: Uint8Array, start: number): number {
  let at = start
  while (at < bytes.length && isDigit(bytes[at])) at++
  return at === start ? fault(at, syntax) : at
}

/** The text of the JSON string whose quotes are at `start` and `end - 1`. */
function stringBetween(bytes: Uint8Array, start: number, end: number): string {
  let text = ''
  if (end - start <= 34) {
    for (let at = start + 1; at < end - 1; at++) {
      const byte = bytes[at] ?? 0
      if (byte === backslash || byte >= 0x80) return unescaped(bytes, start, end)
      text += String.fromCharCode(byte)
    }
    return text
  }
  return unescaped(bytes, start, end)
}

function unescaped(bytes: Uint8Array, start: number, end: number): string {
  return JSON.parse(decodeUtf8(bytes, start, end)) as string
}
