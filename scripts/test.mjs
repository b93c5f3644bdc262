#!/usr/bin/env node
// `npm test -- ARGUMENTS OF VITEST`: installs what is missing, runs the tests, and fails where one left a process behind.
import { spawn, spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { findOnPath } from './find-on-path.mjs'
import { install, installInterop, root, say } from './set-up.mjs'

const run = randomUUID()
const args = process.argv.slice(2)
const leftOut = []

install(true)
installInterop()
if (process.env.FANFARE_TEST_BUILD === 'skip')
  leftOut.push('the build (FANFARE_TEST_BUILD=skip): workers and the command run from what was built before')
if (spawnSync('curl', ['--version']).status !== 0)
  leftOut.push("the README's and the guide's curl commands, and curl as a client (there is no curl)")
for (const { names, what } of [
  { names: ['chromium', 'chromium-browser', 'google-chrome'], what: 'all checks in Chromium' },
  { names: ['firefox-esr', 'firefox'], what: 'all checks in Firefox' },
  { names: ['python3'], what: "Python's clients and examples" },
  { names: ['nginx'], what: "the guide's nginx" },
  { names: ['caddy'], what: "the guide's Caddy" },
  { names: ['haproxy'], what: "the guide's HAProxy" },
  { names: ['systemd-analyze'], what: "the check of the guide's unit for systemd" },
  { names: ['javac'], what: "Java's clients and examples" },
  { names: ['php'], what: "PHP's clients and examples" },
]) {
  if (findOnPath(names) === undefined) leftOut.push(`${what} (${names.join(', ')}: not on the PATH)`)
}
if (args.length > 0) leftOut.push(`what ${JSON.stringify(args.join(' '))} does not name`)

const vitest = spawn(process.execPath, [join(root, 'node_modules/vitest/vitest.mjs'), 'run', ...args], {
  cwd: root,
  stdio: ['inherit', 'inherit', 'pipe'],
  env: { ...process.env, FANFARE_TEST_RUN: run, ...(process.stderr.isTTY ? { FORCE_COLOR: '1' } : {}) },
})
// Vitest only warns of a worker that does not end; here it is a failure.
let hanging = false
vitest.stderr.on('data', (part) => {
  process.stderr.write(part)
  if (/Timeout terminating|close timed out/.test(part.toString())) hanging = true
})
// A terminal sends the signal to vitest too; npm and CI send it here only.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => vitest.kill(signal))

const [code, signal] = await once(vitest, 'close')
const left = process.platform === 'linux' ? await lastingProcesses(run) : []
if (process.platform !== 'linux') leftOut.push('the search for processes that tests leave behind (it reads /proc)')
for (const { pid, command } of left) {
  process.stderr.write(`fanfare: a test left process ${pid} behind: ${command}\n`)
  process.kill(pid, 'SIGKILL')
}
if (hanging) process.stderr.write('fanfare: a test file did not end: something in it still runs (see above)\n')
for (const text of leftOut) say(`left out: ${text}`)
process.exitCode = code !== 0 || signal !== null ? (code ?? 1) || 1 : left.length > 0 || hanging ? 1 : 0

/** Those that are still there after a moment, which the last of vitest's own need to end. */
async function lastingProcesses(mark) {
  const begun = performance.now()
  while (processesOf(mark).length > 0 && performance.now() - begun < 3000) await sleep(100)
  return processesOf(mark)
}

/** All processes that were started by this run: the mark in their environment is inherited. */
function processesOf(mark) {
  const found = []
  for (const entry of readdirSync('/proc')) {
    if (!/^[0-9]+$/.test(entry) || Number(entry) === process.pid) continue
    try {
      if (!readFileSync(`/proc/${entry}/environ`, 'utf8').includes(`FANFARE_TEST_RUN=${mark}`)) continue
      const command = readFileSync(`/proc/${entry}/cmdline`, 'utf8').split('\0').join(' ').trim()
      if (command !== '') found.push({ pid: Number(entry), command })
    } catch (error) {
      // It has gone in the meantime, or belongs to somebody else.
      if (!['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes(error.code)) throw error
    }
  }
  return found
}
