import { type Files, withFile } from './files.ts'
import { isFull } from './full.ts'

const reserveName = 'reserve'
const reserveBytes = 64 * 1024

/** Keeps some space in a file, as much as there is, so that a manifest can be written on a full disk: a start needs one before anything may be served. */
export function keepReserve(files: Files): void {
  withFile(files, reserveName, (file) => {
    const size = file.size()
    if (size >= reserveBytes) return
    try {
      file.write(new Uint8Array(reserveBytes - size), size)
      file.sync()
    } catch (error) {
      // What there was is kept.
      if (!isFull(error)) throw error
    }
  })
}

/** Does it, and where there is no space for it, once more without the reserve. */
export function withReserve(files: Files, work: () => void): void {
  try {
    work()
  } catch (error) {
    if (!isFull(error) || !files.list().some(({ name }) => name === reserveName)) throw error
    files.remove(reserveName)
    work()
  }
}

/** Bytes of all files but the reserve. */
export const bytesOf = (files: Files): number => files.list().reduce((sum, { name, size }) => (name === reserveName ? sum : sum + size), 0)
