#!/usr/bin/env node
// `npm start -- FLAGS`: installs and builds what is missing, then is `fanfare serve FLAGS` itself: signals and the exit code are the server's own.
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build, install, root, say } from './set-up.mjs'

const flags = process.argv.slice(2)
const done = [install(false), build()]
say(`${done.includes(true) ? '' : 'installed and built already; '}serving (fanfare ${['serve', ...flags].join(' ')})`)

const command = join(root, 'packages/fanfare/bin/fanfare.mjs')
process.argv = [process.execPath, command, 'serve', ...flags]
await import(pathToFileURL(command).href)
