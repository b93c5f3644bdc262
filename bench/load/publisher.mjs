import { connect } from 'node:net'

/** Publishes over keep-alive connections; requests given to one connection in one turn leave in one write, one behind the other. */
export class Publisher {
  #connections

  /** @param {{ port: number, connections: number, onProblem: (problem: string) => void }} options */
  constructor({ port, connections, onProblem }) {
    this.port = port
    this.#connections = Array.from({ length: connections }, () => new Connection(port, onProblem))
  }

  opened() {
    return Promise.all(this.#connections.map((connection) => connection.opened))
  }

  /**
   * @param {number} index which connection
   * @param {string} path
   * @param {Buffer} body
   * @param {(answer: string) => void} onAnswer the body of a 201
   */
  publish(index, path, body, onAnswer) {
    this.#connections[index % this.#connections.length]?.request(path, body, onAnswer)
  }

  close() {
    for (const connection of this.#connections) connection.close()
  }
}

class Connection {
  #socket
  #port
  #onProblem
  #closed = false
  /** @type {((answer: string) => void)[]} */
  #waiting = []
  #firstWaiting = 0
  /** @type {Buffer | undefined} */
  #rest
  #corked = false

  /** @param {number} port @param {(problem: string) => void} onProblem */
  constructor(port, onProblem) {
    this.#port = port
    this.#onProblem = onProblem
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true })
    /** @type {Promise<void>} */
    this.opened = new Promise((resolve) => this.#socket.once('connect', () => resolve()))
    this.#socket.on('data', (chunk) => this.#read(chunk))
    this.#socket.on('error', (error) => this.#problem(error.message))
    this.#socket.on('close', () => this.#problem('a publisher was closed by the server'))
  }

  /** @param {string} path @param {Buffer} body @param {(answer: string) => void} onAnswer */
  request(path, body, onAnswer) {
    this.#waiting.push(onAnswer)
    if (!this.#corked) {
      this.#corked = true
      this.#socket.cork()
      process.nextTick(() => {
        this.#corked = false
        this.#socket.uncork()
      })
    }
    const head = `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1:${this.#port}\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\n\r\n`
    this.#socket.write(Buffer.concat([Buffer.from(head, 'latin1'), body]))
  }

  close() {
    this.#closed = true
    this.#socket.destroy()
  }

  /** @param {Buffer} chunk */
  #read(chunk) {
    const bytes = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk])
    let at = 0
    while (at < bytes.length) {
      const end = bytes.indexOf('\r\n\r\n', at, 'latin1')
      if (end === -1) break
      const head = bytes.latin1Slice(at, end)
      const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
      if (length === undefined) return this.#problem(`an answer without Content-Length: ${head}`)
      const to = end + 4 + Number(length)
      if (bytes.length < to) break
      const body = bytes.utf8Slice(end + 4, to)
      if (head.slice(9, 12) !== '201') return this.#problem(`answered ${head.slice(9, 12)}: ${body}`)
      at = to
      this.#answered(body)
    }
    this.#rest = at < bytes.length ? bytes.subarray(at) : undefined
  }

  /** @param {string} body */
  #answered(body) {
    const onAnswer = this.#waiting[this.#firstWaiting++]
    if (this.#firstWaiting === this.#waiting.length) {
      this.#waiting = []
      this.#firstWaiting = 0
    }
    onAnswer?.(body)
  }

  /** @param {string} text */
  #problem(text) {
    if (this.#closed) return
    this.close()
    this.#onProblem(`publisher: ${text}`)
  }
}
