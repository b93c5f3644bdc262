import { createServer as createHttpServer } from 'node:http'
import type { Server } from 'node:http'
import { readdirSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { createServer } from '@fanfare/server'
import type { FanfareServer } from '@fanfare/server'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { blocksOf, readDocument } from '../../../packages/fanfare/test/support/document.ts'
import { inBrowsers, patienceMs } from '../support/browsers.ts'

// What the guide prints for pages runs in browsers as it is printed: each shows what is published to the channel `news`.

const folder = fileURLToPath(new URL('../../../docs/guide', import.meta.url))
const own = ['receive.md', 'transports.md', 'publish.md', 'resume.md'].filter((page) => readdirSync(folder).includes(page))
const programs = own.flatMap((page) =>
  blocksOf(readDocument(`docs/guide/${page}`))
    .filter(({ language, mark }) => language === 'html' || mark === 'browser')
    .map(({ language, line, text }) => ({
      name: `${page}:${line}`,
      html: language === 'html' ? text : `<script type="module">${text}</script>`,
    })),
)

/** What a program prints and what it shows, as one text. */
const shown = `[...(globalThis.printed ?? []), ...[...document.querySelectorAll('li')].map((item) => item.textContent)].join(' | ')`
const listening = `<script>
globalThis.printed = []
console.log = (...words) => globalThis.printed.push(words.join(' '))
</script>`

let server: FanfareServer
let http: Server
let url: string

beforeAll(async () => {
  http = createHttpServer((request, response) => {
    const found = programs[Number(/^\/guide\/(\d+)$/.exec(request.url ?? '')?.[1])]
    if (found === undefined) return
    const page = (listening + found.html).replaceAll('127.0.0.1:8000', new URL(url).host)
    response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' }).end(page)
  })
  server = await createServer({ engine: 'memory', transports: 'all' })
  server.attach(http)
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
})
afterAll(async () => {
  await server.close()
  http.closeAllConnections()
  await new Promise((resolve) => http.close(resolve))
})

it('the guide has pages for EventSource, WebSocket, a frame and JSONP', () => {
  for (const word of ['new EventSource(', 'new WebSocket(', '<iframe ', 'transport=jsonp'])
    expect(programs.map(({ name, html }) => [name, html.includes(word)])).toContainEqual([expect.any(String), true])
})

inBrowsers((open, browser) => {
  it.each(programs.map(({ name }, index) => ({ name, index })))(
    '$name shows what is published',
    { timeout: patienceMs },
    async ({ name, index }) => {
      const page = await open(`${url}/guide/${index}`)
      const text = `${name} in ${browser}`
      await expect
        .poll(
          async () => {
            await server.publish('news', text)
            return await page.evaluate<string>(shown)
          },
          { timeout: patienceMs / 2, interval: 500 },
        )
        .toContain(text)
      expect(page.problems).toEqual([])
    },
  )
})
