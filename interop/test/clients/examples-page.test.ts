import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { agent, call } from '../../../packages/fanfare/test/support/followers.ts'
import { inBrowsers, patienceMs } from '../support/browsers.ts'
import { freePort, live } from './support/life.ts'
import type { Life } from './support/life.ts'

const html = readFileSync(new URL('../../../examples/browser/index.html', import.meta.url))
// What an EventSource waits before it connects again is part of it.
const polling = { timeout: 30_000, interval: 100 }

let life: Life
let pages: Server
let address: string

beforeAll(async () => {
  life = await live()
  // Any static server will do; here it is of another origin than Fanfare.
  pages = createServer((request, response) => {
    if (request.url?.startsWith('/?') === true) response.writeHead(200, { 'Content-Type': 'text/html' }).end(html)
    else response.writeHead(204).end()
  })
  const port = await freePort()
  await new Promise<void>((resolve) => pages.listen(port, '127.0.0.1', resolve))
  address = `http://127.0.0.1:${port}/?url=${encodeURIComponent(life.url)}`
}, patienceMs)
afterAll(async () => {
  agent.destroy()
  pages.closeAllConnections()
  await new Promise((resolve) => pages.close(resolve))
  await life.close()
}, patienceMs)

inBrowsers((open, name) => {
  it('the example page publishes, receives, and goes on after the server was killed', { timeout: patienceMs }, async () => {
    const channel = `page/${name}`
    const page = await open(`${address}&channel=${encodeURIComponent(channel)}`)
    const state = async (): Promise<string> => await page.evaluate(`document.querySelector('[role=status]').textContent`)
    const list = async (): Promise<string> =>
      await page.evaluate(`[...document.querySelectorAll('li')].map((item) => item.textContent).join('|')`)
    const publish = async (body: string) => await call(`${life.url}/channels/${channel}`, { method: 'POST', body })
    await expect.poll(state, polling).toBe('connected')
    await page.evaluate(`document.forms[0].elements.text.value = '<b>from the page</b>', document.forms[0].requestSubmit()`)
    await expect.poll(list, polling).toBe('1: <b>from the page</b>')
    await publish('from outside')
    await expect.poll(list, polling).toBe('2: from outside|1: <b>from the page</b>')
    await life.die()
    // The second is a connection that was refused: here Firefox gives up by itself.
    await expect.poll(state, polling).toMatch(/^connecting again \([2-9]\)$/)
    await life.rise()
    await publish('after the kill')
    await expect.poll(list, polling).toBe('3: after the kill|2: from outside|1: <b>from the page</b>')
    expect(await state()).toBe('connected')
  })
})
