import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** What a directory holds, its largest file, and how much of it is really on the disk. @param {string} path */
export function directorySummary(path) {
  const files = readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .flatMap((entry) => {
      try {
        return [statSync(join(entry.parentPath, entry.name))]
      } catch {
        return [] // gone meanwhile: merged away
      }
    })
  const mebibytes = (/** @type {number} */ bytes) => `${Math.round(bytes / 2 ** 20)} MiB`
  const total = files.reduce((sum, { blocks }) => sum + blocks * 512, 0)
  return `${files.length} files, ${mebibytes(total)}, largest ${mebibytes(Math.max(0, ...files.map(({ size }) => size)))}`
}
