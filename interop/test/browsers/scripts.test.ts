import { afterAll, beforeAll, expect, it } from 'vitest'
import { mutator, randomFrom } from '../../../packages/wire/test/mutator.ts'
import { inBrowsers, patienceMs } from '../support/browsers.ts'
import type { Page } from '../support/browsers.ts'
import { pageScript } from './lanes.ts'
import { nastyTexts } from './payloads.ts'
import { countsOf, freePort, Publisher, reportOf, Stand, wrongOf } from './stand.ts'
import type { Payload } from './stand.ts'

// Threat S4: payloads that want to break out of the script which carries them. The parsers are the browsers' own.

/** `FANFARE_FUZZ_SEED=<number>` gives a run again. */
const seed = Number(process.env['FANFARE_FUZZ_SEED'] ?? Math.floor(Math.random() * 0x1_0000_0000))
const count = 4000

let stand: Stand
let publisher: Publisher

beforeAll(async () => {
  stand = new Stand(await freePort())
  await stand.start()
  publisher = new Publisher(stand.url)
})
afterAll(async () => {
  publisher.close()
  await stand.close()
})

/** Half text, half JSON with the text as names and values: both in the middle of scripts that the parser sees. */
function hostilePayloads(): readonly Payload[] {
  const next = mutator(
    nastyTexts.map((nasty) => new TextEncoder().encode(nasty)),
    randomFrom(seed),
  )
  return Array.from({ length: count }, (_, index): Payload => {
    const text = nastyTexts[index] ?? new TextDecoder().decode(next())
    return index % 2 === 0
      ? { type: 'text/plain', body: Buffer.from(text) }
      : { type: 'application/json', body: Buffer.from(JSON.stringify({ [text]: [text], __proto__x: text })) }
  })
}

const published = hostilePayloads()

async function openLane(page: Page, channel: string, lane: string): Promise<void> {
  await page.evaluate(pageScript())
  // Whoever calls this is foreign; nobody does.
  await page.evaluate('globalThis.foreignCalls = 0, globalThis.foreign = () => { foreignCalls++ }, 0')
  await page.evaluate(`lanes.start(${JSON.stringify({ base: stand.url, channel, lanes: [lane] })})`)
}

async function expectUnharmed(page: Page): Promise<void> {
  await expect.poll(async () => Object.values(await countsOf(page)), { timeout: patienceMs / 2, interval: 200 }).toEqual([count])
  const report = await reportOf(page)
  expect(report.map((lane) => wrongOf(lane, published))).toEqual([undefined])
  expect(report.map(({ notes }) => notes)).toEqual([[]])
  expect(await page.evaluate('foreignCalls')).toBe(0)
  // A script of a payload that the policy stopped would be told here.
  expect(page.problems).toEqual([])
}

/** What the browser's parser has made of the frame's document: names of its elements and how many there are of each, and all scripts with the nonce's head. */
const frameElements = `(() => {
  const counts = {}
  for (const { localName } of document.querySelector('iframe').contentDocument.querySelectorAll('*')) counts[localName] = (counts[localName] ?? 0) + 1
  return counts
})()`

inBrowsers((open, name) => {
  beforeAll(async () => {
    console.info(`FANFARE_FUZZ_SEED=${seed}`)
    for (let from = 0; from < count; from += 500) await publisher.publishAll(`hostile-${name}`, published.slice(from, from + 500))
  })

  it(`${count} hostile payloads reach a frame as they were, and run nothing`, { timeout: patienceMs }, async () => {
    const page = await open(`${stand.url}/metrics`)
    await openLane(page, `hostile-${name}`, 'iframe')
    await expectUnharmed(page)
    const { script = 0, ...others } = await page.evaluate<Record<string, number>>(frameElements)
    const [lane] = await reportOf(page)
    expect(others).toEqual({ html: 1, head: 1, meta: 1, title: 1, body: 1 })
    // A heartbeat may have come between the two questions.
    expect(Math.abs(script - count - (lane?.begun ?? 0))).toBeLessThanOrEqual(1)
  })

  it('and so they do by JSONP', { timeout: patienceMs }, async () => {
    const page = await open(`${stand.url}/metrics`)
    await openLane(page, `hostile-${name}`, 'jsonp')
    await expectUnharmed(page)
    expect(await page.evaluate('document.scripts.length <= 1')).toBe(true)
  })
})
