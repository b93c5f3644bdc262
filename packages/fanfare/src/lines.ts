/** Cuts a stream of bytes into its lines, without their ends (LF or CRLF). Lines share no memory with what was pushed unless they stand in it whole. */
export class LineSplitter {
  readonly #most: number
  #rest: Buffer[] = []
  #restBytes = 0
  #count = 0

  constructor(mostBytes: number) {
    this.#most = mostBytes
  }

  /** The lines that end in these bytes. Throws RangeError for a line that is too long. */
  *push(bytes: Buffer): Iterable<Buffer> {
    let from = 0
    for (;;) {
      const end = bytes.indexOf(0x0a, from)
      if (end < 0) break
      yield this.#line(bytes.subarray(from, end))
      from = end + 1
    }
    if (from < bytes.length) this.#keep(bytes.subarray(from))
  }

  /** What stands behind the last line end, if anything does. */
  *end(): Iterable<Buffer> {
    if (this.#restBytes > 0) yield this.#line(Buffer.alloc(0))
  }

  #keep(part: Buffer): void {
    this.#rest.push(part)
    this.#restBytes += part.length
    if (this.#restBytes > this.#most) throw new RangeError(`line ${this.#count + 1} is longer than ${this.#most} bytes`)
  }

  #line(part: Buffer): Buffer {
    this.#keep(part)
    const line = this.#rest.length === 1 ? part : Buffer.concat(this.#rest)
    this.#rest = []
    this.#restBytes = 0
    this.#count++
    return line.at(-1) === 0x0d ? line.subarray(0, -1) : line
  }
}
