import { afterAll, beforeAll, expect, it } from 'vitest'
import { inBrowsers, patienceMs } from '../support/browsers.ts'
import type { Page } from '../support/browsers.ts'
import { pageScript } from './lanes.ts'
import type { Plan } from './lanes.ts'
import { payloads } from './payloads.ts'
import { countsOf, freePort, PageServer, Publisher, reportOf, Stand, wrongOf } from './stand.ts'

// Pages of real browsers over all transports, and what they get is what was published (CONTRACT sections 4, 5 and 9).

const lanes = ['EventSource', 'WebSocket', 'plain WebSocket', 'fanfare.v1', 'stream', 'multipart', 'long-poll', 'poll', 'iframe', 'jsonp']

let stand: Stand
let pages: PageServer
let publisher: Publisher

beforeAll(async () => {
  pages = await PageServer.open(await freePort())
  stand = new Stand(await freePort(), [`http://app.localhost:${pages.port}`])
  await stand.start()
  publisher = new Publisher(stand.url)
})
afterAll(async () => {
  publisher.close()
  await pages.close()
  await stand.close()
})

const published = payloads(300)
/** One by itself, the others together. */
const batch = 12

/** All lanes begin, then all is published while they receive. */
async function expectAll(page: Page, plan: Omit<Plan, 'lanes'>): Promise<void> {
  await page.evaluate(`lanes.start(${JSON.stringify({ ...plan, lanes })})`)
  await expect
    .poll(async () => (await reportOf(page)).filter(({ begun }) => begun === 0).map(({ name }) => name), { timeout: patienceMs / 4 })
    .toEqual([])
  for (let from = 0; from < published.length; from += batch) {
    const [first, ...others] = published.slice(from, from + batch)
    if (first !== undefined) await publisher.publish(plan.channel, first)
    await publisher.publishAll(plan.channel, others)
  }
  await expect
    .poll(async () => await countsOf(page), { timeout: patienceMs / 2, interval: 100 })
    .toEqual(Object.fromEntries(lanes.map((name) => [name, published.length])))
  const report = await reportOf(page)
  expect(report.map((lane) => wrongOf(lane, published))).toEqual(lanes.map(() => undefined))
  expect(report.filter(({ notes }) => notes.length > 0)).toEqual([])
}

inBrowsers((open, name) => {
  it("a page of the server's own origin gets all, in order and as it was, over every transport", { timeout: patienceMs }, async () => {
    const page = await open(`${stand.url}/metrics`)
    await page.evaluate(pageScript())
    await expectAll(page, { base: stand.url, channel: `own-${name}` })
  })

  it('so does a page of another origin that is on the list', { timeout: patienceMs }, async () => {
    const page = await open(`http://app.localhost:${pages.port}/`)
    await expectAll(page, { base: stand.listedUrl, channel: `other-${name}` })
    const exposed = await page.evaluate<(string | null)[]>(
      `fetch('${stand.listedUrl}/channels/other-${name}', { method: 'HEAD' }).then(({ headers }) => [headers.get('Fanfare-Count'), headers.get('Fanfare-Cursor')])`,
    )
    expect(exposed).toEqual([String(published.length), expect.stringMatching(/^[\w.~-]+$/)])
    expect(page.problems).toEqual([])
  })
})
