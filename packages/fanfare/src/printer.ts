import type { Writable } from 'node:stream'

export interface PrinterOptions {
  readonly stream: Writable
  /** Everything up to this cursor has been given to the system to write. */
  readonly onPrinted: (cursor: string) => void
  /** The reader has gone (EPIPE), or the stream failed. */
  readonly onBroken: (error: Error) => void
}

const lineEnd = Buffer.from('\n')
const waitingBytesMost = 64 * 1024

/** Joins what comes in one turn of the event loop into one write, and says what has been written. */
export class Printer {
  readonly #options: PrinterOptions
  #parts: Uint8Array[] = []
  #bytes = 0
  #cursor: string | undefined
  #scheduled: NodeJS.Immediate | undefined
  #writing: Promise<void> = Promise.resolve()
  #broken = false

  constructor(options: PrinterOptions) {
    this.#options = options
    options.stream.once('error', (error) => this.#break(error))
  }

  /** Prints a line (or only notes the place). A promise: enough waits, come again when it is kept. */
  print(line: Uint8Array | undefined, cursor: string): Promise<void> | undefined {
    if (this.#broken) return undefined
    if (line !== undefined) {
      this.#parts.push(line, lineEnd)
      this.#bytes += line.length + 1
    }
    this.#cursor = cursor
    if (this.#bytes >= waitingBytesMost) return this.flush()
    this.#scheduled ??= setImmediate(() => void this.flush())
    return undefined
  }

  /** Resolves when all that was printed has been written. */
  flush(): Promise<void> {
    if (this.#scheduled !== undefined) clearImmediate(this.#scheduled)
    this.#scheduled = undefined
    const bytes = Buffer.concat(this.#parts)
    const cursor = this.#cursor
    this.#parts = []
    this.#bytes = 0
    this.#cursor = undefined
    if (cursor !== undefined) this.#writing = this.#writing.then(() => this.#write(bytes, cursor))
    return this.#writing
  }

  #write(bytes: Buffer, cursor: string): Promise<void> {
    if (this.#broken) return Promise.resolve()
    if (bytes.length === 0) {
      this.#options.onPrinted(cursor)
      return Promise.resolve()
    }
    return new Promise((resolve) => {
      this.#options.stream.write(bytes, (error) => {
        if (error === null || error === undefined) this.#options.onPrinted(cursor)
        else this.#break(error)
        resolve()
      })
    })
  }

  #break(error: Error): void {
    if (this.#broken) return
    this.#broken = true
    this.#options.onBroken(error)
  }
}
