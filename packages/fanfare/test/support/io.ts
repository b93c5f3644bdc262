import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Writable } from 'node:stream'
import { run } from '../../src/main.ts'
import type { Io } from '../../src/main.ts'

/** Surroundings of a command in memory. */
export class TestIo implements Io {
  readonly stdin = new PassThrough()
  readonly stdout = new Memory()
  readonly stderr = new Memory()
  env: Record<string, string>
  readonly directory: string
  #onEnd: ((signal: string) => void)[] = []
  #onHangUp: (() => void)[] = []

  constructor(options: { env?: Record<string, string>; directory?: string } = {}) {
    this.env = options.env ?? {}
    this.directory = options.directory ?? tmpdir()
  }

  onEnd(call: (signal: string) => void): () => void {
    this.#onEnd.push(call)
    return () => {
      this.#onEnd = this.#onEnd.filter((other) => other !== call)
    }
  }

  onHangUp(call: () => void): () => void {
    this.#onHangUp.push(call)
    return () => {
      this.#onHangUp = this.#onHangUp.filter((other) => other !== call)
    }
  }

  hangUp(): void {
    for (const call of this.#onHangUp) call()
  }

  signal(name = 'SIGINT'): void {
    for (const call of this.#onEnd) call(name)
  }

  /** Runs a command with these surroundings. */
  run(...args: string[]): Promise<number> {
    return run(args, this)
  }
}

/** Keeps what is written, and tells those who wait for it. */
export class Memory extends Writable {
  text = ''
  #waiting: { test: (text: string) => boolean; resolve: () => void }[] = []

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.text += chunk.toString()
    this.#waiting = this.#waiting.filter(({ test, resolve }) => {
      if (!test(this.text)) return true
      resolve()
      return false
    })
    done()
  }

  get lines(): string[] {
    return this.text.split('\n').filter((line) => line !== '')
  }

  /** Resolves when what was written so far passes the test. */
  until(test: (text: string) => boolean): Promise<void> {
    return new Promise((resolve) => {
      if (test(this.text)) resolve()
      else this.#waiting.push({ test, resolve })
    })
  }
}

/** A directory that goes away with `remove`. */
export function temporaryDirectory(): { path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'fanfare-test-'))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}
