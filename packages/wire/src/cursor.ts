/**
 * A cursor is a place in the commit order of a store, as one opaque token. It means "of these channels I have everything up to
 * here". The same place always gives the same token; nothing of identity, time or chance is in it.
 *
 * Token: version `1` · mark (16 characters) · checksum (4 characters) · seq in base 36 without leading zeros.
 */
export interface Cursor {
  readonly mark: string
  readonly seq: number
}

/** The mark says which history a place belongs to: 8 characters for the store, 8 for the start in which the place was committed. */
export const markLength = 16

const version = '1'
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const markShape = /^[A-Za-z0-9_-]{16}$/
const seqShape = /^(?:0|[1-9a-z][0-9a-z]{0,10})$/
const checkAt = 1 + markLength
const seqAt = checkAt + 4

/** Two characters for each value of 12 bits, so that a checksum is two look-ups. */
const pairs = Array.from({ length: 4096 }, (_, value) => alphabet.charAt(value >> 6) + alphabet.charAt(value & 63))

export function isMark(text: string): boolean {
  return markShape.test(text)
}

/** Makes the tokens of one mark; the mark's part of the checksum is reckoned once. */
export function tokenMaker(mark: string): (seq: number) => string {
  if (!isMark(mark)) throw new RangeError(`a mark has ${markLength} characters of base64url, not ${JSON.stringify(mark)}`)
  const seed = hashText(mark)
  const head = version + mark
  return (seq) => {
    if (!Number.isSafeInteger(seq) || seq < 0) throw new RangeError(`a seq is a whole number from 0, not ${seq}`)
    return head + checksum(seed, seq) + seq.toString(36)
  }
}

/** The token of a place. */
export function formatCursor(cursor: Cursor): string {
  return tokenMaker(cursor.mark)(cursor.seq)
}

/** The place of a token, or undefined where it is none: wrong version, characters, length, checksum, or not the canonical form. */
export function parseCursor(token: string): Cursor | undefined {
  if (token.length <= seqAt || token.length > 64 || token[0] !== version) return undefined
  const mark = token.slice(1, checkAt)
  const digits = token.slice(seqAt)
  if (!markShape.test(mark) || !seqShape.test(digits)) return undefined
  const seq = Number.parseInt(digits, 36)
  if (!Number.isSafeInteger(seq)) return undefined
  return checksum(hashText(mark), seq) === token.slice(checkAt, seqAt) ? { mark, seq } : undefined
}

function checksum(seed: number, seq: number): string {
  let hash = seed ^ (seq >>> 0)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash ^= Math.floor(seq / 0x1_0000_0000)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  hash ^= hash >>> 16
  return (pairs[(hash >>> 12) & 0xfff] ?? '') + (pairs[hash & 0xfff] ?? '')
}

function hashText(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash
}
