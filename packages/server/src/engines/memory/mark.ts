import type { Runtime } from '@fanfare/wire'

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/** A mark that nobody else has: 8 characters for the store and 8 for its start. */
export function freshMark(runtime: Runtime): string {
  return base64url(runtime.random(6)) + base64url(runtime.random(6))
}

/** Base64url (RFC 4648, section 5) of bytes whose count is a multiple of 3. */
function base64url(bytes: Uint8Array): string {
  let text = ''
  for (let i = 0; i < bytes.length; i += 3) {
    const word = ((bytes[i] ?? 0) << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0)
    for (let shift = 18; shift >= 0; shift -= 6) text += alphabet.charAt((word >> shift) & 63)
  }
  return text
}
