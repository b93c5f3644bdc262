import type { Socket } from 'node:net'

/** Publishes of one connection that begin in one turn of the event loop. */
const mostATurn = 32

/**
 * Publishes that a client sent ahead begin at once, for they are committed together; but a read may bring a thousand of them, and node reads on in the same turn
 * while there is more. What is over the number waits for the next turns, and meanwhile nothing more is read.
 */
export class PublishTurns {
  readonly #socket: Socket
  readonly #waiting: (() => void)[] = []
  #begun = 0
  #scheduled = false

  constructor(socket: Socket) {
    this.#socket = socket
    // Node resumes it after each request that it has parsed.
    socket.on('resume', () => {
      if (this.#waiting.length > 0) socket.pause()
    })
  }

  /** Calls at once or in a later turn, in the order of the calls; never once the connection is gone. */
  run(begin: () => void): void {
    this.#schedule()
    if (this.#begun < mostATurn && this.#waiting.length === 0) {
      this.#begun++
      return begin()
    }
    this.#waiting.push(begin)
    this.#socket.pause()
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => this.#turn())
  }

  #turn(): void {
    this.#scheduled = false
    this.#begun = 0
    if (this.#waiting.length === 0) return
    if (this.#socket.destroyed) return void this.#waiting.splice(0)
    const now = this.#waiting.splice(0, mostATurn)
    this.#begun = now.length
    this.#schedule()
    for (const begin of now) begin()
    if (this.#waiting.length === 0) this.#socket.resume()
  }
}
