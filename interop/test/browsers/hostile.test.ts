import { createServer } from '@fanfare/server'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { inBrowsers, patienceMs } from '../support/browsers.ts'
import type { Page } from '../support/browsers.ts'
import { pageScript } from './lanes.ts'
import type { LaneReport, Plan } from './lanes.ts'
import { countsOf, freePort, PageServer, Publisher, reportOf, Stand } from './stand.ts'
import type { Payload } from './stand.ts'

// Pages that may not use the server get nothing over any transport: not its answers, not a cursor, not a sign that a channel is there (CONTRACT section 9).

const lanes = ['EventSource', 'WebSocket', 'plain WebSocket', 'fanfare.v1', 'stream', 'multipart', 'long-poll', 'poll', 'iframe', 'jsonp']
const secret: Payload = { type: 'application/json', body: Buffer.from('"secret"') }

let stand: Stand
let pages: PageServer
let publisher: Publisher

beforeAll(async () => {
  pages = await PageServer.open(await freePort())
  stand = new Stand(await freePort(), [`http://app.localhost:${pages.port}`])
  await stand.start()
  publisher = new Publisher(stand.url)
  await publisher.publish('secrets', secret)
})
afterAll(async () => {
  publisher.close()
  await pages.close()
  await stand.close()
})

/** Each lane has failed, and even what is published now reaches none. */
async function expectNothing(report: () => Promise<readonly LaneReport[]>, count: number): Promise<void> {
  const failed = async (): Promise<number> => (await report()).filter(({ notes }) => notes.length > 0).length
  await expect.poll(failed, { timeout: patienceMs / 2, interval: 200 }).toBe(count)
  await publisher.publish('secrets', secret)
  expect((await report()).filter(({ begun, told }) => begun > 0 || told.length > 0)).toEqual([])
}

inBrowsers((open) => {
  const hostilePage = async (): Promise<Page> => await open(`http://evil.localhost:${pages.port}/`)
  const start = async (page: Page, plan: Partial<Plan>): Promise<void> =>
    page.evaluate(`lanes.start(${JSON.stringify({ base: stand.listedUrl, channel: 'secrets', lanes, ...plan })})`)

  it('the secret can be had by a page that may', { timeout: patienceMs }, async () => {
    const page = await open(`http://app.localhost:${pages.port}/`)
    await start(page, {})
    await expect
      .poll(async () => Object.values(await countsOf(page)).filter((count) => count > 0).length, { timeout: patienceMs / 2 })
      .toBe(lanes.length)
  })

  it(
    'a page of an origin that is not on the list gets nothing, by whichever name it calls the server',
    { timeout: patienceMs },
    async () => {
      const page = await hostilePage()
      await start(page, {})
      await start(page, { base: stand.url })
      await expectNothing(async () => await reportOf(page), lanes.length * 2)
    },
  )

  it('nor does it as a frame for an origin that is, nor by keeping back its address', { timeout: patienceMs }, async () => {
    const page = await hostilePage()
    await start(page, { lanes: ['iframe'], targetOrigin: `http://app.localhost:${pages.port}` })
    await start(page, { lanes: ['iframe', 'jsonp'], quiet: true })
    await start(page, { lanes: ['iframe'], quiet: true, targetOrigin: `http://app.localhost:${pages.port}` })
    await expectNothing(async () => await reportOf(page), 4)
  })

  const startInside = async (page: Page, kind: 'data' | 'sandbox', plan: Partial<Plan>): Promise<void> => {
    const full = JSON.stringify({ base: stand.listedUrl, channel: 'secrets', lanes, ...plan })
    return page.evaluate(`lanes.startInside('${kind}', ${full}, ${JSON.stringify(pageScript())})`)
  }
  const insideOf = async (page: Page): Promise<readonly LaneReport[]> =>
    JSON.parse(await page.evaluate<string>('lanes.insideReport()')) as LaneReport[]

  it.each(['data', 'sandbox'] as const)('the origin null gets nothing: %s', { timeout: patienceMs }, async (kind) => {
    const page = await hostilePage()
    await startInside(page, kind, {})
    await expectNothing(async () => await insideOf(page), lanes.length)
  })

  it("nor does it within a page of the server's own origin, whose referrer it has", { timeout: patienceMs }, async () => {
    const page = await open(`${stand.url}/metrics`)
    await page.evaluate(pageScript())
    await startInside(page, 'sandbox', { base: stand.url })
    await expectNothing(async () => await insideOf(page), lanes.length)
  })

  // For JSONP only the page's own origin can be told from a sandbox in it (script-guard.ts).
  it('nor within a page of an origin that is on the list, but for JSONP', { timeout: patienceMs }, async () => {
    const page = await open(`http://app.localhost:${pages.port}/`)
    const others = lanes.filter((lane) => lane !== 'jsonp')
    await startInside(page, 'sandbox', { lanes: others })
    await expectNothing(async () => await insideOf(page), others.length)
  })

  it(
    'a page whose name was pointed at this machine after it was loaded (DNS rebinding) gets nothing',
    { timeout: patienceMs },
    async () => {
      const port = await freePort()
      const attacker = await PageServer.open(port)
      const page = await open(`http://rebound.localhost:${port}/`)
      await attacker.close()
      const server = await createServer({ listen: port, engine: 'memory', transports: 'all' })
      try {
        await server.listen()
        await server.publish('secrets', 'secret')
        await start(page, { base: `http://rebound.localhost:${port}` })
        await expectNothing(async () => await reportOf(page), lanes.length)
      } finally {
        await server.close()
      }
    },
  )
})
