import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Where the first of these programs is that is on the PATH; undefined where none is. */
export function findOnPath(names) {
  const folders = (process.env.PATH ?? '').split(delimiter)
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find((path) => existsSync(path))
}
