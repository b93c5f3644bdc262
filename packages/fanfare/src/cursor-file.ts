import { existsSync } from 'node:fs'
import { open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { parseCursor, problemOf } from '@fanfare/wire'
import type { Problem } from '@fanfare/wire'
import { messageOf } from './io.ts'

/** The cursor that a file holds; undefined where there is no file, or an empty one. A problem where it could not be kept there either. */
export async function readCursorFile(path: string): Promise<string | undefined | Problem> {
  let text: string
  try {
    text = (await readFile(path, 'utf8')).trim()
  } catch (error) {
    const absent = error instanceof Error && 'code' in error && error.code === 'ENOENT' && existsSync(dirname(path))
    return absent ? undefined : problemOf('cursor-invalid', `the cursor can't be kept: ${fileTrouble(path, error)}`)
  }
  if (text === '') return undefined
  return parseCursor(text) === undefined ? problemOf('cursor-invalid', `${path} holds no cursor; remove it to begin anew`) : text
}

/** What went wrong with the file, in words of its own path: it is written under another name first. */
export function fileTrouble(path: string, error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'ENOENT') return `there is no directory ${dirname(path)}`
  if (code === 'ENOTDIR') return `${dirname(path)} is no directory`
  if (code === 'EISDIR') return `${path} is a directory`
  if (code === 'EACCES' || code === 'EPERM') return `this user may not read and write ${path}`
  return messageOf(error)
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
