// Part of every test file (setupFiles of vitest): what a file opened, it closes. Sockets, servers, timers, workers and child processes that would
// keep a process alive after the last test are a failure of that file.
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll } from 'vitest'

const patienceMs = 3000
const before = counted(process.getActiveResourcesInfo())

afterAll(async () => {
  const begun = performance.now()
  // What a test has closed may need some turns to be gone.
  for (let left = leftOver(); left !== ''; left = leftOver()) {
    if (performance.now() - begun > patienceMs) throw new Error(`this file leaves behind what keeps a process alive: ${left}`)
    await sleep(10)
  }
})

function leftOver() {
  const found = []
  for (const [kind, count] of counted(process.getActiveResourcesInfo())) {
    const more = count - (before.get(kind) ?? 0)
    if (more > 0) found.push(`${more} ${kind}`)
  }
  return found.join(', ')
}

function counted(kinds) {
  const counts = new Map()
  for (const kind of kinds) counts.set(kind, (counts.get(kind) ?? 0) + 1)
  return counts
}
