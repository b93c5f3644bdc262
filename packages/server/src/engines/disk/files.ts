import {
  closeSync,
  fdatasyncSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  fstatSync,
  statfsSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { damaged } from './damage.ts'

/**
 * All that the store asks of a file system, synchronous: it is called in workers, and at the opening. The tests put a simulated disk in its place
 * that loses, reorders and tears what was not synced.
 */
export interface Files {
  /** Names in the directory, and their sizes. */
  list(): readonly { readonly name: string; readonly size: number }[]
  /** Creates it where it is missing. */
  open(name: string): OpenFile
  rename(from: string, to: string): void
  remove(name: string): void
  /** Makes names (new, renamed, removed) durable. */
  syncNames(): void
  /** Bytes that are free for this user. */
  free(): number
}

export interface OpenFile {
  readonly name: string
  size(): number
  /** Fills `into` from `place`; returns how many bytes there were. */
  read(into: Uint8Array, place: number): number
  /** Writes all of it or throws. */
  write(bytes: Uint8Array, place: number): void
  sync(): void
  /** Closing twice is closing once. */
  close(): void
}

/** The machine's own files in a directory, which is made where it is missing. */
export function nodeFiles(directory: string): Files {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  return {
    list: () =>
      readdirSync(directory, { withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map(({ name }) => ({ name, size: statSync(join(directory, name)).size })),
    open: (name) => openNodeFile(directory, name),
    rename: (from, to) => renameSync(join(directory, from), join(directory, to)),
    remove: (name) => unlinkSync(join(directory, name)),
    syncNames() {
      const handle = openSync(directory, 'r')
      try {
        fsyncSync(handle)
      } finally {
        closeSync(handle)
      }
    },
    free() {
      const { bavail, bsize } = statfsSync(directory)
      return bavail * bsize
    },
  }
}

function openNodeFile(directory: string, name: string): OpenFile {
  const handle = openOrCreate(join(directory, name))
  let open = true
  return {
    name,
    size: () => fstatSync(handle).size,
    read(into, place) {
      let done = 0
      while (done < into.length) {
        const count = orDamaged(name, place + done, () => readSync(handle, into, done, into.length - done, place + done))
        if (count === 0) break
        done += count
      }
      return done
    },
    write(bytes, place) {
      for (let done = 0; done < bytes.length;) done += naming(name, () => writeSync(handle, bytes, done, bytes.length - done, place + done))
    },
    sync: () => naming(name, () => fdatasyncSync(handle)),
    close() {
      if (open) closeSync(handle)
      open = false
    },
  }
}

/** The system's errors about an open file do not say which. */
function naming<T>(name: string, call: () => T): T {
  try {
    return call()
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException
    throw Object.assign(new Error(`${name}: ${message}`, { cause: error }), { code })
  }
}

function orDamaged<T>(name: string, place: number, read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw damaged(name, place, `it can not be read (${(error as Error).message})`)
  }
}

function openOrCreate(path: string): number {
  try {
    return openSync(path, 'r+')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    return openSync(path, 'wx+', 0o600)
  }
}

/** Opens, uses and closes. */
export function withFile<T>(files: Files, name: string, use: (file: OpenFile) => T): T {
  const file = files.open(name)
  try {
    return use(file)
  } finally {
    file.close()
  }
}
