import { expect } from '../expect.ts'
import type { Ask, ReceiverRow } from '../receivers/receiver.ts'
import { problemOf } from './bad-input.ts'
import type { Bed } from './bed.ts'
import { check } from './check.ts'
import type { Check } from './check.ts'

/** Pages of origins that may not use the server get nothing (CONTRACT section 9). */
export function originChecks(receivers: readonly ReceiverRow[]): readonly Check[] {
  return [...receivers.map(byOrigin), ...receivers.filter(({ comesInScripts }) => comesInScripts === true).map(byPage)]
}

function byOrigin(row: ReceiverRow): Check {
  return check(row, 'origins', 'gives nothing to 60 hostile origins', async (bed) => {
    const channels = [bed.channel()]
    await bed.publisher.count(() => channels[0] ?? '', 1, 1)
    const origins = hostileOrigins(bed.url)
    expect(origins.length).toBeGreaterThan(59)
    for (const origin of origins) await nothing(bed, row, { channels, since: 'earliest', headers: { origin } })
  })
}

/** Scripts and frames are loaded without `Origin`: whose page it is, says `Referer`, or the browser by `Sec-Fetch-Site`. */
function byPage(row: ReceiverRow): Check {
  return check(row, 'origins', 'gives nothing to pages of other origins, by Referer and by Sec-Fetch-Site', async (bed) => {
    const channels = [bed.channel()]
    await bed.publisher.count(() => channels[0] ?? '', 1, 1)
    const pages = hostileOrigins(bed.url).filter((origin) =>
      /^(?:https?:\/\/[\w.:[\]-]*evil\.example|null|data:|file:|about:)/.test(origin),
    )
    const fields = [
      ...pages.map((page) => ({ referer: page })),
      ...pages.filter((page) => page.startsWith('http')).map((page) => ({ referer: `${page}/page`, 'sec-fetch-site': 'same-origin' })),
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { referer: '', 'sec-fetch-site': 'cross-site' },
    ]
    for (const headers of fields) await nothing(bed, row, { channels, since: 'earliest', headers })
  })
}

async function nothing(bed: Bed, row: ReceiverRow, ask: Ask): Promise<void> {
  const taker = bed.take(row, ask)
  // Whatever comes first is looked at: a server that lets the page in may never end.
  await taker.until(() => taker.told.length > 0)
  const { end } = taker
  taker.cut()
  const [first] = taker.told
  if (end !== undefined && (end.code === 400 || (end.code === 403 && problemOf(end.reason) === 'origin-refused'))) return
  throw new Error(`to a page by ${JSON.stringify(ask.headers)} it said ${JSON.stringify(first).slice(0, 300)}`)
}

/** Origins that no server lists: those of others, and what hopes for a careless comparison with the server's own name. */
export function hostileOrigins(url: string): readonly string[] {
  const { origin, hostname } = new URL(url)
  const pretenders = ['localhost', '127.0.0.1', hostname].flatMap((name) => [
    `http://${name}.evil.example`,
    `https://${name}.evil.example:8000`,
    `http://${name}@evil.example`,
    `http://${name}:80@evil.example`,
    `http://evil.example/${name}`,
    `http://evil.example?${name}`,
    `http://evil.example#http://${name}`,
    `http://evil.example, http://${name}`,
    `http://${name}, http://evil.example`,
    `http://${name} http://evil.example`,
    `http://${name},evil.example`,
    `http://${name}\\@evil.example`,
    `http://${name}/`,
    `http://${name}/path`,
    `http://${name}:x`,
    `ftp://${name}`,
    `chrome-extension://${name}`,
    `//${name}`,
    `http:${name}`,
    name,
  ])
  return [...new Set([...strangers, ...pretenders])].filter((one) => one !== origin)
}

const strangers: readonly string[] = [
  'null',
  'NULL',
  '*',
  'undefined',
  'file://',
  'about:blank',
  'data:text/html,x',
  'javascript:alert(1)',
  'https://evil.example',
  'http://evil.example',
  'https://evil.example:443',
  'http://evil.example:8000',
  'https://evil.example/',
  'https://evil.example?x',
  'https://*',
  'https://*.example',
  'http://',
  'http://1.2.3.4',
  'http://128.0.0.1',
  'http://0.0.0.0',
  'http://[::2]',
  'http://[2001:db8::1]',
  'http://[::ffff:8.8.8.8]',
  'http://[::1',
  'http://[::1].evil.example',
  'http://127.0.0.1.nip.io',
  'http://loca1host',
]
