#!/usr/bin/env node
// The command itself is dist/main.js. In a clone it is built by `npm start`; a published package brings it along.
import { existsSync } from 'node:fs'

const main = new URL('../dist/main.js', import.meta.url)

if (!existsSync(main)) {
  process.stderr.write('fanfare: not built yet; in a clone, `npm start` (or `npm ci && npm run build`) builds it\n')
  process.exit(1)
}

/** @type {typeof import("../src/main.ts")} */
const { processIo, run } = await import(main.href)
process.exit(await run(process.argv.slice(2), processIo()))
