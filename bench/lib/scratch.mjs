import { mkdirSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../results/scratch/', import.meta.url))
let count = 0

/** An empty directory on the disk of the project (never one in memory: its syncs would cost nothing), and how to be rid of it. */
export function scratchDirectory() {
  const path = `${root}${process.pid}-${++count}`
  mkdirSync(path, { recursive: true })
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}
