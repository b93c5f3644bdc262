/** Payloads carry their number, so that a receiver sees what is lost, doubled, out of order or changed: `#0000000042:xxx…`. */
const digits = 10
const headBytes = digits + 2
const fill = Buffer.alloc(2 ** 20, 'x')

/** @param {number} number @param {number} bytes at least 12 */
export function makePayload(number, bytes) {
  return Buffer.concat([Buffer.from(`#${String(number).padStart(digits, '0')}:`), fill.subarray(0, bytes - headBytes)])
}

/**
 * The number of the payload at `from` to `to`, or -1 where it is not one of ours, byte for byte.
 * @param {Buffer} bytes
 * @param {number} from
 * @param {number} to
 */
export function payloadNumber(bytes, from, to) {
  if (to - from < headBytes || bytes[from] !== 0x23 || bytes[from + headBytes - 1] !== 0x3a) return -1
  let number = 0
  for (let i = from + 1; i <= from + digits; i++) {
    const digit = (bytes[i] ?? 0) - 0x30
    if (digit < 0 || digit > 9) return -1
    number = number * 10 + digit
  }
  return bytes.compare(fill, 0, to - from - headBytes, from + headBytes, to) === 0 ? number : -1
}
