import { open, readFile, rename } from 'node:fs/promises'
import { parseCursor, problemOf } from '@fanfare/wire'
import type { Problem } from '@fanfare/wire'

/** The cursor that a file holds; undefined where there is no file, or an empty one. */
export async function readCursorFile(path: string): Promise<string | undefined | Problem> {
  let text: string
  try {
    text = (await readFile(path, 'utf8')).trim()
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
  if (text === '') return undefined
  return parseCursor(text) === undefined ? problemOf('cursor-invalid', `${path} holds no cursor`) : text
}

/** Keeps the newest place in a file. */
export class CursorFile {
  readonly #path: string
  readonly #onFailed: (error: unknown) => void
  #newest: string | undefined
  #written: string | undefined
  #writing: Promise<void> | undefined

  constructor(path: string, onFailed: (error: unknown) => void) {
    this.#path = path
    this.#onFailed = onFailed
  }

  /** Writes it soon; of several that come while one is being written, the last is enough. */
  save(cursor: string): void {
    this.#newest = cursor
    this.#writing ??= this.#write()
  }

  /** Resolves when the newest stands in the file. */
  async settled(): Promise<void> {
    await this.#writing
  }

  async #write(): Promise<void> {
    try {
      while (this.#newest !== undefined && this.#newest !== this.#written) {
        const cursor = this.#newest
        await writeWhole(this.#path, `${cursor}\n`)
        this.#written = cursor
      }
    } catch (error) {
      this.#onFailed(error)
    } finally {
      this.#writing = undefined
    }
  }
}

/** The file has the old content or the new one, never a part, whatever happens. */
async function writeWhole(path: string, text: string): Promise<void> {
  const beside = `${path}.${process.pid}.new`
  const file = await open(beside, 'w')
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(beside, path)
}
