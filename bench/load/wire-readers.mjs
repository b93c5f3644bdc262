// Readers of what a server sends, as small as they can be and still notice everything that is wrong. They are given chunks of any size.

/** @typedef {(bytes: Buffer, from: number, to: number) => void} OnPayload */

/** @param {Buffer | undefined} rest @param {Buffer} chunk */
const joined = (rest, chunk) => (rest === undefined ? chunk : Buffer.concat([rest, chunk]))

/** The head of an HTTP response, then everything behind it to `body`. */
export class HeadReader {
  /** @type {Buffer | undefined} */
  #rest

  /**
   * @param {Buffer} chunk
   * @returns {{ status: number, head: string, rest: Buffer } | undefined} once the head is complete
   */
  push(chunk) {
    const bytes = joined(this.#rest, chunk)
    const end = bytes.indexOf('\r\n\r\n')
    if (end === -1) {
      this.#rest = bytes
      return undefined
    }
    const head = bytes.latin1Slice(0, end)
    return { status: Number(head.slice(9, 12)), head, rest: bytes.subarray(end + 4) }
  }
}

/** Frames of a WebSocket server (RFC 6455 section 5.2), never masked, never fragmented. */
export class FrameReader {
  /** @type {Buffer | undefined} */
  #rest
  #onPayload
  #onControl

  /** @param {OnPayload} onPayload @param {(opcode: number, payload: Buffer) => void} onControl */
  constructor(onPayload, onControl) {
    this.#onPayload = onPayload
    this.#onControl = onControl
  }

  /** @param {Buffer} chunk */
  push(chunk) {
    const bytes = joined(this.#rest, chunk)
    let at = 0
    while (bytes.length - at >= 2) {
      const short = bytes[at + 1] ?? 0
      const headBytes = short === 126 ? 4 : short === 127 ? 10 : 2
      if (short > 127) throw new Error('a masked frame from the server')
      if (bytes.length - at < headBytes) break
      const length = short === 126 ? bytes.readUInt16BE(at + 2) : short === 127 ? Number(bytes.readBigUInt64BE(at + 2)) : short
      const from = at + headBytes
      if (bytes.length - from < length) break
      const first = bytes[at] ?? 0
      if (first === 0x81 || first === 0x82) this.#onPayload(bytes, from, from + length)
      else if (first >= 0x88) this.#onControl(first & 0x0f, bytes.subarray(from, from + length))
      else throw new Error(`a frame that begins with 0x${first.toString(16)}`)
      at = from + length
    }
    this.#rest = at < bytes.length ? bytes.subarray(at) : undefined
  }
}

/** Blocks of an event stream; `data` of one line, which is all that the measurements send. */
export class EventReader {
  /** @type {Buffer | undefined} */
  #rest
  #onPayload
  #onEvent

  /** @param {OnPayload} onPayload @param {(name: string, block: string) => void} onEvent blocks with a name, and a gap is one */
  constructor(onPayload, onEvent) {
    this.#onPayload = onPayload
    this.#onEvent = onEvent
  }

  /** @param {Buffer} chunk */
  push(chunk) {
    const bytes = joined(this.#rest, chunk)
    let at = 0
    for (;;) {
      const end = bytes.indexOf('\n\n', at, 'latin1')
      if (end === -1) break
      this.#block(bytes, at, end)
      at = end + 2
    }
    this.#rest = at < bytes.length ? bytes.subarray(at) : undefined
  }

  /** @param {Buffer} bytes @param {number} from @param {number} to */
  #block(bytes, from, to) {
    const data = lineFrom(bytes, from, to, dataField)
    const event = lineFrom(bytes, from, data === -1 ? to : data, eventField)
    if (event !== -1) {
      const block = bytes.latin1Slice(from, to)
      this.#onEvent(/^event: ?(.*)$/m.exec(block)?.[1] ?? '', block)
    } else if (data !== -1) {
      this.#onPayload(bytes, bytes[data + 5] === 0x20 ? data + 6 : data + 5, to)
    }
  }
}

const dataField = Buffer.from('data:')
const eventField = Buffer.from('event:')

/** Where a line of the block begins with the field, or -1. @param {Buffer} bytes @param {number} from @param {number} to @param {Buffer} field */
function lineFrom(bytes, from, to, field) {
  for (let at = from; at < to;) {
    if (bytes[at] === field[0] && bytes.compare(field, 0, field.length, at, Math.min(at + field.length, to)) === 0) return at
    const end = bytes.indexOf(10, at)
    if (end === -1 || end >= to) return -1
    at = end + 1
  }
  return -1
}

/** Lines of JSON, each a publication whose `data` is a string without escapes, which is all that the measurements send, or something else. */
export class LineReader {
  /** @type {Buffer | undefined} */
  #rest
  #onPayload
  #onLine

  /** @param {OnPayload} onPayload @param {(line: string) => void} onLine lines that are no publication */
  constructor(onPayload, onLine) {
    this.#onPayload = onPayload
    this.#onLine = onLine
  }

  /** @param {Buffer} chunk */
  push(chunk) {
    const bytes = joined(this.#rest, chunk)
    let at = 0
    for (;;) {
      const end = bytes.indexOf(10, at)
      if (end === -1) break
      if (readData(bytes, at, end, this.#onPayload) === 0) this.#onLine(bytes.utf8Slice(at, end))
      at = end + 1
    }
    this.#rest = at < bytes.length ? bytes.subarray(at) : undefined
  }
}

const dataMember = Buffer.from('"data":"')
const quote = 0x22

/**
 * Gives the `data` of all publications in some JSON, and says how many there were.
 * @param {Buffer} bytes @param {number} from @param {number} to @param {OnPayload} onPayload
 */
export function readData(bytes, from, to, onPayload) {
  let count = 0
  for (let at = bytes.indexOf(dataMember, from); at !== -1 && at < to; at = bytes.indexOf(dataMember, at)) {
    const begun = at + dataMember.length
    at = bytes.indexOf(quote, begun)
    if (at === -1 || at >= to) throw new Error('a string without an end')
    onPayload(bytes, begun, at)
    count++
  }
  return count
}

/** Takes the chunked coding (RFC 9112 section 7.1) off. */
export class ChunkReader {
  /** @type {Buffer | undefined} */
  #rest
  /** Bytes of the present chunk still to come; -1 before a chunk's size, -2 before the line end behind a chunk. */
  #left = -1
  #onBody

  /** @param {(bytes: Buffer) => void} onBody */
  constructor(onBody) {
    this.#onBody = onBody
  }

  /** @param {Buffer} chunk @returns {boolean} false after the last chunk */
  push(chunk) {
    const bytes = joined(this.#rest, chunk)
    this.#rest = undefined
    let at = 0
    while (at < bytes.length) {
      if (this.#left > 0) {
        const to = Math.min(bytes.length, at + this.#left)
        this.#left -= to - at
        this.#onBody(bytes.subarray(at, to))
        at = to
        if (this.#left === 0) this.#left = -2
      } else {
        const end = bytes.indexOf('\r\n', at, 'latin1')
        if (end === -1) break
        if (this.#left === -1) {
          const size = Number.parseInt(bytes.latin1Slice(at, end), 16)
          if (Number.isNaN(size)) throw new Error('a chunk without a size')
          if (size === 0) return false
          this.#left = size
        } else {
          this.#left = -1
        }
        at = end + 2
      }
    }
    if (at < bytes.length) this.#rest = bytes.subarray(at)
    return true
  }
}
