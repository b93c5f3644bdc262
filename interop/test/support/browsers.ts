import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe } from 'vitest'

/** How a page is looked at. */
export interface View {
  readonly width: number
  readonly height: number
  /** Chromium only. */
  readonly dark?: boolean
}

export interface Page {
  /** What an expression of JavaScript is in the page, awaited; it has to be what JSON can say. */
  evaluate<Value>(expression: string): Promise<Value>
  /** Errors of its console (what its policy refused is among them), and errors that nobody caught. */
  readonly problems: readonly string[]
  close(): Promise<void>
}

export interface Browser {
  /** Resolves when the document is there; what it loads may still be under way. */
  open(url: string, view?: View): Promise<Page>
  close(): Promise<void>
}

interface BrowserRow {
  readonly name: string
  /** Looked for on the PATH, in this order. */
  readonly executables: readonly string[]
  readonly launch: (executable: string) => Promise<Browser>
}

/** Chromium by its own protocol, Firefox by WebDriver BiDi: no one library drives Debian's packages of both. */
const browserRows: readonly BrowserRow[] = [
  { name: 'Chromium', executables: ['chromium', 'chromium-browser', 'google-chrome'], launch: launchChromium },
  { name: 'Firefox', executables: ['firefox-esr', 'firefox'], launch: launchFirefox },
]

function executableOf(row: BrowserRow): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  return row.executables.flatMap((name) => folders.map((folder) => join(folder, name))).find((path) => existsSync(path))
}

/** For a test in a browser: what a machine needs that does much else, not what it waits for. */
export const patienceMs = 120_000

/** The same tests in each browser that is here; a browser that isn't says so in the name of what is left out. Pages are closed after each test. */
export function inBrowsers(body: (open: Browser['open'], name: string) => void): void {
  for (const row of browserRows) {
    const executable = executableOf(row)
    const left = executable === undefined ? ` (left out: none of ${row.executables.join(', ')} is on the PATH)` : ''
    describe.skipIf(executable === undefined)(`in ${row.name}${left}`, () => {
      let browser: Browser | undefined
      const pages: Page[] = []
      beforeAll(async () => {
        browser = await row.launch(executable ?? '')
      }, patienceMs)
      afterEach(async () => {
        for (const page of pages.splice(0)) await page.close()
      }, patienceMs)
      afterAll(async () => await browser?.close(), patienceMs)
      body(async (url, view) => {
        if (browser === undefined) throw new Error(`${row.name} did not start`)
        const page = await browser.open(url, view)
        pages.push(page)
        return page
      }, row.name)
    })
  }
}

/** Browsers ask for an icon by themselves. */
function note(problems: string[], text: string, url: string): void {
  if (!url.endsWith('/favicon.ico')) problems.push(`${text} (${url})`)
}

async function launchChromium(executablePath: string): Promise<Browser> {
  const { chromium } = await import('playwright-core')
  // Its sandbox does not work for root, which is who one is in a container.
  const browser = await chromium.launch({ executablePath, chromiumSandbox: process.getuid?.() !== 0, timeout: patienceMs })
  return {
    async open(url, view) {
      const { width = 1280, height = 900, dark = false } = view ?? {}
      const context = await browser.newContext({ viewport: { width, height }, colorScheme: dark ? 'dark' : 'light' })
      const page = await context.newPage()
      const problems: string[] = []
      page.on('console', (message) => {
        if (message.type() === 'error') note(problems, message.text(), message.location().url)
      })
      page.on('pageerror', (error) => problems.push(String(error)))
      await page.goto(url, { waitUntil: 'domcontentloaded', timeout: patienceMs })
      return {
        evaluate: async (expression) => await page.evaluate(expression),
        problems,
        close: async () => await context.close(),
      }
    },
    close: async () => await browser.close(),
  }
}

async function launchFirefox(executablePath: string): Promise<Browser> {
  const { launch } = await import('puppeteer-core')
  const browser = await launch({ browser: 'firefox', executablePath, headless: true, timeout: patienceMs, protocolTimeout: patienceMs })
  return {
    async open(url, view) {
      const page = await browser.newPage()
      const problems: string[] = []
      page.on('console', (message) => {
        if (message.type() === 'error') note(problems, message.text(), message.location().url ?? '')
      })
      page.on('pageerror', (error) => problems.push(String(error)))
      if (view !== undefined) await page.setViewport({ width: view.width, height: view.height })
      await page.goto(url, { waitUntil: 'domcontentloaded', timeout: patienceMs })
      return {
        evaluate: async <Value>(expression: string): Promise<Value> => (await page.evaluate(expression)) as Value,
        problems,
        close: async () => await page.close(),
      }
    },
    close: async () => await browser.close(),
  }
}
