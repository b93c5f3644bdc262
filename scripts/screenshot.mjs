#!/usr/bin/env node
// `node scripts/screenshot.mjs [FOLDER]`: pictures of the page at `/`, taken in Chromium: by day, in the dark, and on a phone. Without a folder they are
// those of the documents, docs/images/.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { findOnPath } from './find-on-path.mjs'
import { build, install, installInterop, root, say } from './set-up.mjs'

const chromiums = ['chromium', 'chromium-browser', 'google-chrome']
const pictures = [
  { name: 'page.png', viewport: { width: 1280, height: 900 }, colorScheme: 'light' },
  { name: 'page-dark.png', viewport: { width: 1280, height: 900 }, colorScheme: 'dark' },
  { name: 'page-phone.png', viewport: { width: 390, height: 1120 }, colorScheme: 'light' },
]
const channel = 'quotes/AAPL'
const quotes = [191.2, 191.24, 191.19, 191.31, 191.28, 191.4]
const transports = 8
const margin = 10
const patienceMs = 60_000

const executablePath = findOnPath(chromiums)
if (executablePath === undefined) {
  process.stderr.write(`fanfare: no pictures without Chromium: none of ${chromiums.join(', ')} is on the PATH\n`)
  process.exit(1)
}
install(false)
installInterop()
build()

const folder = resolve(process.argv[2] ?? join(root, 'docs/images'))
mkdirSync(folder, { recursive: true })
const { chromium } = createRequire(join(root, 'interop/package.json'))('playwright-core')
// Its sandbox does not work for root, which is who one is in a container.
const browser = await chromium.launch({ executablePath, chromiumSandbox: process.getuid?.() !== 0, timeout: patienceMs })
try {
  for (const picture of pictures) {
    const server = await startServer()
    try {
      await take(server.url, picture)
    } finally {
      await server.stop()
    }
  }
} finally {
  await browser.close()
}

/** The command with every transport, and its address. */
async function startServer() {
  const bin = join(root, 'packages/fanfare/bin/fanfare.mjs')
  const args = ['serve', '--listen', '127.0.0.1:8000', '--engine', 'memory', '--transports', 'all']
  const child = spawn(process.execPath, [bin, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'exit')
  const url = await new Promise((resolve, reject) => {
    let printed = ''
    child.stdout.on('data', (part) => {
      printed += part
      const found = /listens on (http:\/\/\S+)/.exec(printed)
      if (found !== null) resolve(found[1])
    })
    child.on('exit', () => reject(new Error(`the server did not start: ${printed}`)))
  })
  return {
    url,
    async stop() {
      child.kill('SIGTERM')
      await ended
    },
  }
}

/** The page with quotes that were published from its box, once they are in all lanes. */
async function take(url, { name, viewport, colorScheme }) {
  const context = await browser.newContext({ viewport, colorScheme })
  const page = await context.newPage()
  await page.goto(`${url}/?channel=${channel}`)
  await page.waitForFunction((count) => document.querySelectorAll('.lane[data-state=live]').length === count, transports, {
    timeout: patienceMs,
  })
  await page.getByText('JSON', { exact: true }).click()
  await page.fill('#event', 'price')
  for (const [index, price] of quotes.entries()) {
    await page.fill('#message', JSON.stringify({ AAPL: price }))
    await page.click('#publish button.main')
    await page.waitForFunction(
      ([lanes, rows]) =>
        [...document.querySelectorAll('.lane')].filter((lane) => lane.querySelectorAll('ol li').length >= rows).length === lanes,
      [transports, index + 1],
      { timeout: patienceMs },
    )
  }
  const lanesEnd = await page.evaluate(() => {
    document.activeElement?.blur()
    scrollTo(0, 0)
    const ends = [...document.querySelectorAll('.lane')].map((lane) => Math.ceil(lane.getBoundingClientRect().bottom))
    return Math.max(...ends.filter((end) => end <= innerHeight))
  })
  const path = join(folder, name)
  // Nothing is cut: it ends below the last lane that is seen whole.
  const height = Math.min(viewport.height, lanesEnd + margin)
  await page.screenshot({ path, animations: 'disabled', clip: { x: 0, y: 0, width: viewport.width, height } })
  say(`${path}: ${(statSync(path).size / 1024).toFixed(0)} KiB`)
  await context.close()
}
