import { afterAll, beforeAll, expect, it } from 'vitest'
import { cuttingProxy } from '../../../packages/fanfare/test/support/cutting-proxy.ts'
import { inBrowsers, patienceMs } from '../support/browsers.ts'
import type { Page } from '../support/browsers.ts'
import { freePort, PageServer, Publisher, reportOf, Stand, wrongOf } from './stand.ts'
import type { Payload } from './stand.ts'

// The server is killed while pages receive, and started again on the same port and directory (CONTRACT section 5).

const lanes = ['plain EventSource', 'WebSocket', 'fanfare.v1', 'stream', 'multipart', 'long-poll', 'poll', 'iframe', 'jsonp']

let stand: Stand
let pages: PageServer

beforeAll(async () => {
  pages = await PageServer.open(await freePort())
  stand = new Stand(await freePort(), [`http://app.localhost:${pages.port}`])
  await stand.start()
})
afterAll(async () => {
  await pages.close()
  await stand.close()
})

function numbers(count: number): readonly Payload[] {
  return Array.from({ length: count }, (_, index) => ({ type: 'application/json', body: Buffer.from(`{"n":${index + 1}}`) }))
}

/** Publishes one after the other, slowly; what isn't answered is sent again with its key. Ends when all are, or when `done` says so. */
async function publishSlowly(channel: string, payloads: readonly Payload[], done: () => boolean): Promise<void> {
  const publisher = new Publisher(stand.url)
  for (let next = 0; next < payloads.length && !done();) {
    const payload = payloads[next]
    const sent = payload === undefined ? Promise.resolve() : publisher.publish(channel, payload, `number-${next}`)
    next += await sent.then(
      () => 1,
      () => 0,
    )
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  publisher.close()
}

/** Lanes that have fewer than so many, and what they say of themselves. */
async function behind(page: Page, count: number): Promise<readonly string[]> {
  return await page.evaluate(
    `JSON.parse(lanes.report()).filter(({ told }) => told.length < ${count}).map(({ name, told, notes }) => name + ': ' + told.length + ', ' + notes.join(', '))`,
  )
}

inBrowsers((open, name) => {
  it('every transport goes on after kill -9, with nothing missing and nothing twice', { timeout: patienceMs }, async () => {
    const page = await open(`http://app.localhost:${pages.port}/`)
    const channel = `numbers-${name}`
    const published = numbers(200)
    await page.evaluate(`lanes.start(${JSON.stringify({ base: stand.listedUrl, channel, lanes, again: true })})`)
    let over = false
    const publishing = publishSlowly(channel, published, () => over)
    try {
      for (const reached of [40, 100]) {
        await expect.poll(async () => await behind(page, reached), { timeout: patienceMs / 2, interval: 100 }).toEqual([])
        await stand.kill()
        await stand.start()
      }
      await expect.poll(async () => await behind(page, published.length), { timeout: patienceMs / 2, interval: 100 }).toEqual([])
      const report = await reportOf(page)
      expect(report.map((lane) => wrongOf(lane, published))).toEqual(lanes.map(() => undefined))
      // Each has seen it go, but a poll that happened to ask before and after.
      expect(report.filter(({ name: lane, notes }) => notes.length === 0 && lane !== 'poll')).toEqual([])
      expect(report.flatMap(({ notes }) => notes.filter((note) => /gap|cursor/.test(note)))).toEqual([])
      // Firefox's gives up where nobody listens; others need nothing but themselves.
      if (name !== 'Firefox') expect(report.find(({ name: lane }) => lane === 'plain EventSource')?.notes).not.toContain('gave up')
    } finally {
      over = true
      await publishing
    }
  })

  it('an EventSource that is cut goes on by its own Last-Event-ID, and by nothing else', { timeout: patienceMs }, async () => {
    const proxy = await cuttingProxy(stand.url, () => Number.POSITIVE_INFINITY)
    try {
      const page = await open(`http://localhost:${pages.port}/`)
      const channel = `cut-${name}`
      const published = numbers(100)
      await page.evaluate(`lanes.start(${JSON.stringify({ base: proxy.url, channel, lanes: ['plain EventSource'] })})`)
      let over = false
      const publishing = publishSlowly(channel, published, () => over)
      try {
        for (const reached of [30, 60]) {
          await expect.poll(async () => await behind(page, reached), { timeout: patienceMs / 2, interval: 50 }).toEqual([])
          proxy.cut()
        }
        await expect.poll(async () => await behind(page, published.length), { timeout: patienceMs / 2, interval: 100 }).toEqual([])
        const [report] = await reportOf(page)
        expect(report === undefined ? 'no report' : wrongOf(report, published)).toBeUndefined()
        expect(report?.notes).toEqual(['connects again', 'connects again'])
      } finally {
        over = true
        await publishing
      }
    } finally {
      await proxy.close()
    }
  })
})
