#!/usr/bin/env node
// The command is dist/outside/cli.js: what checks a server from outside, without the test runner. It stands in a clone only, and builds itself there, as
// `npm start` builds the server.
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('..', import.meta.url))
const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc')
const built = spawnSync(process.execPath, [tsc, '-b', join(folder, 'tsconfig.outside.json')], { stdio: ['ignore', 'pipe', 'inherit'] })
if (built.status !== 0) {
  process.stderr.write(`conformance: can't be built; run npm ci first\n${String(built.stdout)}`)
  process.exit(1)
}

/** @type {typeof import("../src/cli.ts")} */
const { main } = await import(new URL('../dist/outside/cli.js', import.meta.url).href)
const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop.abort())
process.exit(await main(process.argv.slice(2), { stdout: process.stdout, stderr: process.stderr, env: process.env, signal: stop.signal }))
