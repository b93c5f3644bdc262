import { afterAll, beforeAll, expect, it } from 'vitest'
import { inBrowsers, patienceMs } from '../support/browsers.ts'
import type { Page } from '../support/browsers.ts'
import { freePort, Publisher, Stand } from './stand.ts'
import type { Payload } from './stand.ts'

// The server's own page at `/` with all transports switched on.

const transports = ['websocket', 'sse', 'stream', 'long-poll', 'poll', 'multipart', 'iframe', 'jsonp']

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

interface LaneSeen {
  readonly state: string
  /** Its newest row last. */
  readonly rows: readonly string[]
}

const lanesSeen = `Object.fromEntries([...document.querySelectorAll('.lane')].map((lane) => [
  lane.dataset.transport,
  { state: lane.dataset.state, rows: [...lane.querySelectorAll('ol li')].map((row) => [...row.children].map((cell) => cell.textContent).join(' | ') || row.textContent).reverse() },
]))`

async function seen(page: Page): Promise<Readonly<Record<string, LaneSeen>>> {
  return await page.evaluate(lanesSeen)
}

/** Until what is asked of each lane is so for all; those of which it isn't are said. */
async function untilAll(page: Page, is: (lane: LaneSeen) => boolean): Promise<void> {
  const others = async (): Promise<unknown> => {
    const lanes = await seen(page)
    return transports.filter((name) => lanes[name] === undefined || !is(lanes[name])).map((name) => [name, lanes[name]])
  }
  await expect.poll(others, { timeout: patienceMs / 2, interval: 200 }).toEqual([])
}

async function publishFromBox(page: Page, text: string): Promise<void> {
  await page.evaluate(`{
    document.getElementById('message').value = ${JSON.stringify(text)}
    document.getElementById('publish').requestSubmit()
  }`)
}

const text = (payload: string): Payload => ({ type: 'text/plain', body: Buffer.from(payload) })

inBrowsers((open, name) => {
  const address = (channel: string): string => `${stand.url}/?channel=${channel}-${name}`

  it(
    'every lane becomes live, and a publication from the box arrives on each with its offset and delay',
    { timeout: patienceMs },
    async () => {
      const page = await open(address('lively'))
      await untilAll(page, ({ state }) => state === 'live')
      await publishFromBox(page, 'Hello, <b>everybody</b></script>')
      // Within 10 s on the busiest machine: what a held request was not woken for would take 25.
      await untilAll(page, ({ rows }) => /^1 \| Hello, <b>everybody<\/b><\/script> \| (?:[0-9.]+ ms|[0-9]\.[0-9] s)$/.test(rows[0] ?? ''))
      await page.evaluate(`document.getElementById('many').click()`)
      await untilAll(page, ({ rows }) => rows.length === 21 && rows.every((row, index) => row.startsWith(`${index + 1} | `)))
      expect(page.problems).toEqual([])
    },
  )

  it('a publication whose answer is lost is asked for again with its key, and comes once', { timeout: patienceMs }, async () => {
    const page = await open(address('lost'))
    await untilAll(page, ({ state }) => state === 'live')
    // The first answer to a POST is lost behind the server; what the page says is kept.
    await page.evaluate(`{
      const { fetch } = window
      let lost = false
      window.fetch = async (address, request) => {
        const response = await fetch(address, request)
        if (request?.method !== 'POST' || lost) return response
        lost = true
        throw new TypeError('the answer is lost')
      }
      window.said = []
      const answer = document.getElementById('answer')
      new MutationObserver(() => said.push(answer.textContent)).observe(answer, { childList: true, characterData: true, subtree: true })
    }`)
    await publishFromBox(page, 'once')
    await expect.poll(() => page.evaluate('said.at(-1)'), { timeout: patienceMs / 2 }).toMatch(/^201 in .* · offset 1 · /)
    expect(await page.evaluate('said.slice(0, 2)')).toEqual(['sending…', 'no answer yet, trying again'])
    await publishFromBox(page, 'twice')
    await untilAll(page, ({ rows }) => rows.some((row) => row.includes(' | twice | ')))
    for (const { rows } of Object.values(await seen(page)))
      expect(rows.map((row) => row.split(' | ').slice(0, 2))).toEqual([
        ['1', 'once'],
        ['2', 'twice'],
      ])
  })

  it('every lane goes on from its cursor after kill -9 of the server', { timeout: patienceMs }, async () => {
    const page = await open(address('killed'))
    await untilAll(page, ({ state }) => state === 'live')
    await publishFromBox(page, 'before')
    await untilAll(page, ({ rows }) => rows.length === 1)
    const here = `document.getElementById('here').textContent`
    const before = await page.evaluate<string>(here)
    await stand.kill()
    await untilAll(page, ({ state }) => state === 'reconnecting')
    await stand.start()
    await publisher.publish(`killed-${name}`, text('meanwhile'))
    await untilAll(page, ({ state, rows }) => state === 'live' && rows.some((row) => row.startsWith('2 | meanwhile | ')))
    await publishFromBox(page, 'after')
    await untilAll(page, ({ rows }) => rows.some((row) => row.startsWith('3 | after | ')))
    for (const { rows } of Object.values(await seen(page))) {
      expect(rows.filter((row) => /^\d+ \| /.test(row)).map((row) => row.split(' | ')[1])).toEqual(['before', 'meanwhile', 'after'])
      expect(rows.filter((row) => !/^\d+ \| /.test(row)).join()).toMatch(/nothing missed$/)
    }
    // Another node answers now.
    await expect.poll(() => page.evaluate<string>(here), { timeout: patienceMs / 2 }).not.toBe(before)
    // That nobody was there is in the console; nothing else is.
    expect(
      page.problems.filter((problem) => !/ERR_|can.t establish a connection|interrupted|NetworkError|Cross-Origin/i.test(problem)),
    ).toEqual([])
  })

  it('nothing is wider than a phone of 390 px, whatever is published', { timeout: patienceMs }, async () => {
    const channel = `phone/${'long'.repeat(30)}/${name}`
    for (const payload of ['x'.repeat(3000), 'words '.repeat(300), 'short']) await publisher.publish(channel, text(payload))
    const page = await open(`${stand.url}/?channel=${channel}`, { width: 390, height: 844 })
    await untilAll(page, ({ state, rows }) => state === 'live' && rows.length === 3)
    const wide = `[...document.querySelectorAll('body, body *')].filter((element) => element.getBoundingClientRect().right > innerWidth && !element.closest('pre, code, ol li, svg')).map((element) => element.outerHTML.slice(0, 100))`
    expect(await page.evaluate('innerWidth')).toBe(390)
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(390)
    expect(await page.evaluate(wide)).toEqual([])
    expect(page.problems).toEqual([])
  })

  it('of a cursor the end is seen, of rows whole ones, with their numbers below one another', { timeout: patienceMs }, async () => {
    for (let number = 1; number <= 12; number++) await publisher.publish(`cut-${name}`, text(`number ${number}`))
    const page = await open(address('cut'), { width: 390, height: 844 })
    await untilAll(page, ({ state, rows }) => state === 'live' && rows.length === 5)
    await publishFromBox(page, 'the last')
    await untilAll(page, ({ rows }) => rows.length === 6)
    for (const lane of await page.evaluate<readonly Layout[]>(layout)) {
      expect(lane.cursorIsCut).toBe(true)
      expect(lane.endOfCursor).toBeLessThanOrEqual(lane.rightOfCursor)
      expect(lane.seenHeight % lane.rowHeight).toBeCloseTo(0, 1)
      expect(new Set(lane.rightOfOffsets).size).toBe(1)
    }
    const heights = `[...new Set([...document.querySelectorAll('fieldset, #event, #publish button')].map((each) => Math.round(each.getBoundingClientRect().height)))]`
    expect(await page.evaluate<readonly number[]>(heights)).toHaveLength(1)
  })

  // Firefox is told by its profile, not by the page's driver.
  if (name !== 'Chromium') return
  it('in the dark its ground is dark and its words are light, by day the other way round', { timeout: patienceMs }, async () => {
    const dark = await open(`${stand.url}/?channel=dark`, { width: 1280, height: 900, dark: true })
    const light = await open(`${stand.url}/?channel=dark`)
    const [night, day] = [await dark.evaluate<Brightness>(brightness), await light.evaluate<Brightness>(brightness)]
    expect(night.ground).toBeLessThan(50)
    expect(night.words).toBeGreaterThan(180)
    expect(day.ground).toBeGreaterThan(200)
    expect(day.words).toBeLessThan(80)
    expect([dark.problems, light.problems]).toEqual([[], []])
  })
})

/** Of a lane, in px. */
interface Layout {
  readonly cursorIsCut: boolean
  readonly endOfCursor: number
  readonly rightOfCursor: number
  readonly rowHeight: number
  readonly seenHeight: number
  readonly rightOfOffsets: readonly number[]
}

const layout = `[...document.querySelectorAll('.lane')].map((lane) => {
  const cursor = lane.querySelector('.cursor')
  const list = lane.querySelector('ol')
  const last = document.createRange()
  const text = cursor.firstChild.firstChild
  last.setStart(text, text.length - 1)
  last.setEnd(text, text.length)
  return {
    cursorIsCut: cursor.scrollWidth > cursor.clientWidth,
    endOfCursor: Math.floor(last.getBoundingClientRect().right),
    rightOfCursor: Math.ceil(cursor.getBoundingClientRect().right),
    rowHeight: list.querySelector('li').getBoundingClientRect().height,
    seenHeight: list.clientHeight,
    rightOfOffsets: [...list.querySelectorAll('.offset')].map((offset) => Math.round(offset.getBoundingClientRect().right)),
  }
})`

/** Of the ground and of the words on it, 0 to 255. */
interface Brightness {
  readonly ground: number
  readonly words: number
}

const brightness = `(() => {
  const of = (color) => [...color.matchAll(/[0-9.]+/g)].slice(0, 3).reduce((sum, [part]) => sum + Number(part), 0) / 3
  const { backgroundColor, color } = getComputedStyle(document.body)
  return { ground: of(backgroundColor), words: of(color) }
})()`
