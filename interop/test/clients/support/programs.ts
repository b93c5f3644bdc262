import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Is there a program of this name? Its folder doesn't matter. */
export function onPath(name: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => folder !== '' && existsSync(join(folder, name)))
}

/** What is said behind a test's name where the program that it needs is missing. */
export function unless(name: string): string {
  return onPath(name) ? '' : ` (left out: there is no ${name} on the PATH)`
}
