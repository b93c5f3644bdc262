import { connect } from 'node:net'
import { payloadNumber } from './payload.mjs'
import { HeadReader, readData } from './wire-readers.mjs'

/**
 * One receiver that asks, is held, is answered and asks again at once from the cursor of the answer, all on one connection. It checks what it gets as the
 * other receivers do.
 *
 * @typedef {object} LongPollOptions
 * @property {number} port
 * @property {string} path
 * @property {string} cursor where it begins
 * @property {(number: number) => void} onPayload called after the check
 * @property {(problem: string) => void} onProblem
 */
export class LongPoll {
  #options
  #socket
  #cursor
  #head = new HeadReader()
  /** @type {{ length: number, cursor: string } | undefined} */
  #answer
  /** @type {Buffer | undefined} */
  #rest
  #closed = false
  received = 0
  /** The next number that is right; 0 while any is. */
  next = 0

  /** @param {LongPollOptions} options */
  constructor(options) {
    this.#options = options
    this.#cursor = options.cursor
    this.#socket = connect({ port: options.port, host: '127.0.0.1', noDelay: true })
    this.#socket.on('data', (chunk) => {
      try {
        this.#read(chunk)
      } catch (error) {
        this.#problem(/** @type {Error} */ (error).message)
      }
    })
    this.#socket.on('error', (error) => this.#problem(error.message))
    this.#socket.on('close', () => this.#problem('closed by the server'))
    /** Resolves when it has connected and asked. @type {Promise<void>} */
    this.opened = new Promise((resolve) =>
      this.#socket.once('connect', () => {
        this.#ask()
        resolve()
      }),
    )
  }

  close() {
    this.#closed = true
    this.#socket.destroy()
  }

  #ask() {
    const { path, port } = this.#options
    this.#socket.write(`GET ${path}?since=${this.#cursor}&wait=25 HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAccept: application/json\r\n\r\n`)
  }

  /** @param {Buffer} chunk */
  #read(chunk) {
    let bytes = chunk
    if (this.#answer === undefined) {
      const done = this.#head.push(chunk)
      if (done === undefined) return
      const { status, head, rest } = done
      const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1])
      const cursor = /\r\nfanfare-cursor: *(\S+)/i.exec(head)?.[1]
      if (status !== 200 || Number.isNaN(length) || cursor === undefined) throw new Error(`answered ${head} ${rest.toString()}`)
      this.#answer = { length, cursor }
      bytes = rest
    }
    this.#rest = this.#rest === undefined ? bytes : Buffer.concat([this.#rest, bytes])
    if (this.#rest.length < this.#answer.length) return
    this.#answered(this.#rest, this.#answer)
  }

  /** @param {Buffer} body @param {{ length: number, cursor: string }} answer */
  #answered(body, { length, cursor }) {
    if (body.length > length) throw new Error('more than one answer')
    this.#rest = undefined
    this.#answer = undefined
    this.#head = new HeadReader()
    this.#cursor = cursor
    this.#ask()
    if (readData(body, 0, length, this.#payload) === 0) throw new Error(`an answer without a publication: ${body.toString()}`)
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
    this.#options.onProblem(`long-poll ${this.#options.path}: ${text}`)
  }
}
