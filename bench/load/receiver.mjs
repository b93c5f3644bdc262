import { connect } from 'node:net'
import { payloadNumber } from './payload.mjs'
import { ChunkReader, EventReader, FrameReader, HeadReader, LineReader } from './wire-readers.mjs'

/**
 * One receiver on a socket of its own. It checks that the payloads are ours, byte for byte, and come in order, each once.
 *
 * @typedef {object} ReceiverOptions
 * @property {number} port
 * @property {'websocket' | 'sse' | 'stream'} transport
 * @property {string} path
 * @property {(number: number) => void} onPayload called after the check
 * @property {(problem: string) => void} onProblem
 * @property {(bytesRead: number) => boolean} [mayRead] false stops it until `resume`
 */
export class Receiver {
  #options
  #socket
  /** @type {(() => void) | undefined} */
  #opened
  /** @type {(chunk: Buffer) => void} */
  #read
  #closed = false
  received = 0
  /** The next number that is right; 0 while any is. */
  next = 0

  /** @param {ReceiverOptions} options */
  constructor(options) {
    this.#options = options
    const head = new HeadReader()
    this.#read = (chunk) => {
      const done = head.push(chunk)
      if (done !== undefined) this.#begin(done)
    }
    this.#socket = connect({ port: options.port, host: '127.0.0.1', noDelay: true })
    this.#socket.on('data', (chunk) => {
      try {
        this.#read(chunk)
      } catch (error) {
        this.#problem(/** @type {Error} */ (error).message)
      }
      if (options.mayRead?.(this.#socket.bytesRead) === false) this.#socket.pause()
    })
    this.#socket.on('error', (error) => this.#problem(error.message))
    this.#socket.on('close', () => this.#problem('closed by the server'))
    this.#socket.write(requestOf(options))
    /** Resolves when the answer's head is there. @type {Promise<void>} */
    this.opened = new Promise((resolve) => (this.#opened = resolve))
  }

  close() {
    this.#closed = true
    this.#socket.destroy()
  }

  resume() {
    this.#socket.resume()
  }

  get bytesRead() {
    return this.#socket.bytesRead
  }

  /** @param {{ status: number, head: string, rest: Buffer }} answer */
  #begin({ status, head, rest }) {
    const webSocket = this.#options.transport === 'websocket'
    if (status !== (webSocket ? 101 : 200)) return this.#problem(`answered ${status}: ${head} ${rest.toString()}`)
    this.#read = webSocket ? this.#frames() : this.#body(/\r\ntransfer-encoding: chunked/i.test(head))
    this.#opened?.()
    if (rest.length > 0) this.#read(rest)
  }

  #frames() {
    const reader = new FrameReader(this.#payload, (opcode, payload) => {
      if (opcode === 9) this.#socket.write(Buffer.concat([Buffer.from([0x8a, 0x80 | payload.length, 0, 0, 0, 0]), payload]))
      if (opcode === 8) this.#problem(`close frame ${payload.length >= 2 ? payload.readUInt16BE(0) : ''} ${payload.subarray(2).toString()}`)
    })
    return (/** @type {Buffer} */ chunk) => reader.push(chunk)
  }

  /** @param {boolean} chunked */
  #body(chunked) {
    const reader = this.#options.transport === 'stream' ? this.#lines() : this.#events()
    if (!chunked) return (/** @type {Buffer} */ chunk) => reader.push(chunk)
    const chunks = new ChunkReader((bytes) => reader.push(bytes))
    return (/** @type {Buffer} */ chunk) => void chunks.push(chunk)
  }

  #events() {
    return new EventReader(this.#payload, (name, block) => {
      if (name !== 'fanfare.ready') this.#problem(block)
    })
  }

  #lines() {
    return new LineReader(this.#payload, (line) => {
      if (!line.startsWith('{"cursor":')) this.#problem(line)
    })
  }

  /** @type {import('./wire-readers.mjs').OnPayload} */
  #payload = (bytes, from, to) => {
    const number = payloadNumber(bytes, from, to)
    if (number === -1) return this.#problem(`a payload that nobody sent: ${bytes.latin1Slice(from, Math.min(to, from + 60))}`)
    if (this.next !== 0 && number !== this.next) this.#problem(`got ${number} where ${this.next} is next`)
    this.next = number + 1
    this.received++
    this.#options.onPayload(number)
  }

  /** @param {string} text */
  #problem(text) {
    if (this.#closed) return
    this.close()
    this.#options.onProblem(`${this.#options.transport} ${this.#options.path}: ${text}`)
  }
}

/** @param {ReceiverOptions} options */
function requestOf({ transport, path, port }) {
  const head = `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n`
  if (transport === 'sse') return `${head}Accept: text/event-stream\r\n\r\n`
  if (transport === 'stream') return `${head}Accept: application/x-ndjson\r\n\r\n`
  return `${head}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`
}
