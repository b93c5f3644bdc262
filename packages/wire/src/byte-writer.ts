const roomBytes = 1024 * 1024

/** Grows to what is written into it. Encoders write here, so that an entry costs no string and no small buffer. */
export class ByteWriter {
  #bytes: Uint8Array
  #length = 0

  constructor(capacity = 1024) {
    this.#bytes = new Uint8Array(capacity)
  }

  get length(): number {
    return this.#length
  }

  /** Characters up to U+007F; anything above would be cut to its low byte, so only for text known to be ASCII. */
  ascii(text: string): void {
    const start = this.#reserve(text.length)
    const bytes = this.#bytes
    for (let i = 0; i < text.length; i++) bytes[start + i] = text.charCodeAt(i)
  }

  /** Any text, as UTF-8; a lone surrogate becomes U+FFFD, as in TextEncoder. */
  utf8(text: string): void {
    let at = this.#reserve(text.length * 3)
    const bytes = this.#bytes
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i)
      if (unit < 0x80) bytes[at++] = unit
      else at = writeWide(bytes, at, text.codePointAt(i) ?? unit)
      if (unit >= 0xd800 && unit < 0xdc00 && (text.codePointAt(i) ?? 0) > 0xffff) i++
    }
    this.#length = at
  }

  raw(source: Uint8Array): void {
    const start = this.#reserve(source.length)
    this.#bytes.set(source, start)
  }

  /** Room for `count` bytes, which the caller fills at once; valid until the next write. */
  room(count: number): Uint8Array {
    const start = this.#reserve(count)
    return this.#bytes.subarray(start, start + count)
  }

  byte(value: number): void {
    const at = this.#reserve(1)
    this.#bytes[at] = value
  }

  /** Overwrites what was written at `at` before: lengths that are known only afterwards. */
  patch(at: number, value: number): void {
    this.#bytes[at] = value
  }

  /** Forgets what was written from `length` on. */
  truncate(length: number): void {
    if (length < 0 || length > this.#length) throw new RangeError(`can not cut ${this.#length} bytes to ${length}`)
    this.#length = length
  }

  /** A copy of what was written since `from`. */
  slice(from = 0): Uint8Array {
    return this.#bytes.slice(from, this.#length)
  }

  /** What was written since `from`, without a copy: good only until the next call. */
  view(from = 0): Uint8Array {
    return this.#bytes.subarray(from, this.#length)
  }

  /** Forgets what was written and keeps the room for the next, but not what one huge entry took. */
  clear(): void {
    if (this.#bytes.length > roomBytes) this.#bytes = new Uint8Array(1024)
    this.#length = 0
  }

  /**
   * Makes room for `count` bytes and returns where they begin. `#bytes` may be another array afterwards, so it is read after this and never in the
   * same expression. `utf8` gives back what it did not need.
   */
  #reserve(count: number): number {
    const start = this.#length
    const needed = start + count
    if (needed > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2))
      grown.set(this.#bytes.subarray(0, start))
      this.#bytes = grown
    }
    this.#length = needed
    return start
  }
}

function writeWide(bytes: Uint8Array, start: number, point: number): number {
  let at = start
  const scalar = point >= 0xd800 && point <= 0xdfff ? 0xfffd : point
  if (scalar < 0x800) {
    bytes[at++] = 0xc0 | (scalar >> 6)
  } else {
    if (scalar < 0x10000) {
      bytes[at++] = 0xe0 | (scalar >> 12)
    } else {
      bytes[at++] = 0xf0 | (scalar >> 18)
      bytes[at++] = 0x80 | ((scalar >> 12) & 0x3f)
    }
    bytes[at++] = 0x80 | ((scalar >> 6) & 0x3f)
  }
  bytes[at++] = 0x80 | (scalar & 0x3f)
  return at
}

/** Bytes of the text in UTF-8. */
export function utf8Length(text: string): number {
  let length = 0
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit < 0x80) length += 1
    else if (unit < 0x800) length += 2
    else if (unit >= 0xd800 && unit < 0xdc00 && (text.codePointAt(i) ?? 0) > 0xffff) {
      length += 4
      i++
    } else length += 3
  }
  return length
}
