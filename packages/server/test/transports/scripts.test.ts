import { runInNewContext } from 'node:vm'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { expectRefusal, publish } from '../support/problems.ts'
import { closeRaw, openRaw } from '../support/raw-client.ts'
import { header, readChunk, readHead, requestBytes, send, sendForHead } from '../support/raw-http.ts'
import type { Answer, Head } from '../support/raw-http.ts'
import { startServer } from '../support/start-server.ts'
import type { TestServer } from '../support/start-server.ts'

// What pages load as scripts: frames and JSONP (CONTRACT section 4; docs/decisions/0006-script-transports.md).

let server: TestServer
let port: number

const origins = ['https://app.example.com']

beforeAll(async () => {
  server = await startServer({ transports: 'all', limits: { heartbeatMs: 300 }, origins })
  port = server.port
})
afterAll(async () => await server.close())
afterEach(closeRaw)

interface Frame {
  readonly head: Head
  readonly policy: string
  readonly nonce: string
  /** What the page that holds the frame is called with, one for each script of the next chunk; `call` is what it is called by. */
  next(call?: string): Promise<unknown[]>
}

async function openFrame(path: string, at = port): Promise<Frame> {
  const connection = await openRaw(at)
  connection.send(requestBytes(at, { path }))
  const head = await readHead(connection)
  expect(head.status).toBe(200)
  const policy = header(head, 'content-security-policy') ?? ''
  const nonce = /script-src 'nonce-([\w-]{16,})'/.exec(policy)?.[1] ?? ''
  const next = async (): Promise<unknown[]> => {
    const html = (await readChunk(connection)).toString()
    const elements = html.slice(html.indexOf('<script')).split('</script>\n')
    expect(elements.pop()).toBe('')
    return elements.map((element) =>
      ran(element.slice(`<script nonce="${nonce}">`.length), element.startsWith(`<script nonce="${nonce}">`)),
    )
  }
  return { head, policy, nonce, next }
}

/** What a script hands to the page around it, through JSON; for a post the origin that it is meant for, too. */
function ran(script: string, mayRun: boolean): unknown {
  expect(mayRun).toBe(true)
  const told: unknown[] = []
  const parent = {
    on: { told: (message: unknown) => told.push(message) },
    postMessage: (message: unknown, to: string) => told.push({ message, to }),
  }
  runInNewContext(script, { parent, cb: (message: unknown) => told.push(message) })
  expect(told).toHaveLength(1)
  return JSON.parse(JSON.stringify(told[0]))
}

async function jsonp(path: string, headers: [string, string][] = []): Promise<{ answer: Answer; told: unknown }> {
  const answer = await send(port, { path, headers })
  expect(answer.status).toBe(200)
  expect(header(answer, 'content-type')).toBe('application/javascript; charset=utf-8')
  expect(header(answer, 'x-content-type-options')).toBe('nosniff')
  expect(answer.body.toString()).toMatch(/^\/\*\*\/cb\(\{.*\}\)$/)
  return { answer, told: ran(answer.body.toString(), true) }
}

const evil = '</script><script>alert(1)</script><!--\u2028\0\'&"\\'

describe('a frame', () => {
  it('begins with the cursor after a page that browsers show at once, and calls the page for each publication', async () => {
    const { cursor } = await publish(port, 'frames', 'x')
    const frame = await openFrame('/channels/frames?transport=iframe&callback=on.told')
    expect(header(frame.head, 'content-type')).toBe('text/html; charset=utf-8')
    expect(header(frame.head, 'x-content-type-options')).toBe('nosniff')
    expect(frame.policy).toBe(
      `default-src 'none'; script-src 'nonce-${frame.nonce}'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'`,
    )
    expect(await frame.next()).toEqual([{ cursor }])
    const two = await publish(port, 'frames', evil)
    expect(await frame.next()).toEqual([{ ...two, data: evil, type: 'text/plain' }])
    expect(await frame.next()).toEqual([{ cursor: two.cursor }])
  })

  it('posts to a page of another origin that is on the list, and needs no callback for that', async () => {
    const frame = await openFrame('/channels/posted?transport=iframe&targetOrigin=https://app.example.com')
    expect(frame.policy).not.toContain('frame-ancestors')
    const [first] = await frame.next()
    expect(first).toMatchObject({ message: { cursor: expect.any(String) as unknown }, to: 'https://app.example.com' })
    const { cursor } = await publish(port, 'posted', '{"__proto__":1,"a":[]}', [['Content-Type', 'application/json']])
    const [told] = await frame.next()
    expect(told).toMatchObject({ message: { cursor }, to: 'https://app.example.com' })
    expect(JSON.stringify(told)).toContain('"data":{"__proto__":1,"a":[]}')
  })

  it('has the same nonce as others with the same target only, and another at another server', async () => {
    const nonceOf = async (query: string, at = port): Promise<string> =>
      (await openFrame(`/channels/a?transport=iframe&${query}`, at)).nonce
    const first = await nonceOf('callback=on.told')
    expect(await nonceOf('callback=on.told')).toBe(first)
    expect(await nonceOf('callback=told')).not.toBe(first)
    const other = await startServer({ transports: ['iframe'] })
    try {
      expect(await nonceOf('callback=on.told', other.port)).not.toBe(first)
    } finally {
      closeRaw()
      await other.close()
    }
  })

  it('forgets the nonces of targets that nobody asks for any more', async () => {
    const nonceOf = async (name: string): Promise<string> => (await openFrame(`/channels/a?transport=iframe&callback=${name}`)).nonce
    const first = await nonceOf('first')
    for (let n = 0; n < 100; n++) await nonceOf(`f${n}`)
    closeRaw()
    expect(await nonceOf('first')).not.toBe(first)
  })

  it('is refused where frames with too many other targets are open, and let in when one of them has gone', async () => {
    const small = await startServer({ transports: 'all', limits: { frameTargets: 2 } })
    const path = (callback: string): string => `/channels/news?transport=iframe&callback=on.${callback}`
    const open = async (callback: string): Promise<string> => {
      const connection = await openRaw(small.port)
      connection.send(requestBytes(small.port, { path: path(callback) }))
      await readHead(connection)
      return (await readChunk(connection)).toString()
    }
    for (const callback of ['a', 'a', 'told', 'told']) expect(await open(callback)).toContain(`parent.on.${callback}({"cursor":`)
    expect(await open('b')).toContain('"code":"overloaded"')
    closeRaw()
    await expect.poll(async () => await open('c')).toContain('parent.on.c({"cursor":')
    await small.close()
  })

  it('says what goes wrong by a call, with status 200', async () => {
    const frame = await openFrame('/channels/a?transport=iframe&callback=on.told&since=nonsense')
    expect(await frame.next()).toEqual([
      { error: { status: 400, code: 'cursor-invalid', message: expect.stringMatching(/./) as unknown, retry: false } },
    ])
  })

  it('ends with an error when the server goes down', async () => {
    const other = await startServer({ transports: ['iframe'] })
    const frame = await openFrame('/channels/a?transport=iframe&callback=on.told', other.port)
    await frame.next()
    const closing = other.close()
    expect(await frame.next()).toMatchObject([{ error: { code: 'draining', retry: true, after: expect.any(Number) as unknown } }])
    await closing
  })
})

describe('JSONP', () => {
  it('calls with what a poll answers', async () => {
    const published = await publish(port, 'called', evil)
    const { answer, told } = await jsonp('/channels/called?transport=jsonp&callback=cb&since=earliest')
    expect(told).toEqual({
      cursor: published.cursor,
      publications: [{ ...published, data: evil, type: 'text/plain' }],
      more: false,
      gaps: [],
    })
    expect(header(answer, 'fanfare-cursor')).toBe(published.cursor)
    expect(header(answer, 'cache-control')).toBe('no-store')
  })

  it('waits as a long poll does', async () => {
    const { told } = await jsonp('/channels/waited?transport=jsonp&callback=cb')
    const { cursor } = told as { cursor: string }
    const waiting = jsonp(`/channels/waited?transport=jsonp&callback=cb&wait=5&since=${cursor}`)
    await expect.poll(async () => (await send(port, { path: '/metrics' })).body.toString()).toMatch(/transport="jsonp"} 1/)
    const published = await publish(port, 'waited', '1')
    expect((await waiting).told).toMatchObject({ publications: [published] })
  })

  it('calls with an error, with status 200, for a script sees no other', async () => {
    const bad = await jsonp('/channels/a?transport=jsonp&callback=cb&since=nonsense')
    expect(bad.told).toMatchObject({ error: { status: 400, code: 'cursor-invalid', retry: false } })
    const { cursor } = await publish(port, 'gone', 'x')
    await publish(port, 'gone', 'y')
    await send(port, { method: 'DELETE', path: '/channels/gone' })
    const gap = await jsonp(`/channels/gone?transport=jsonp&callback=cb&onGap=stop&since=${cursor}`)
    expect(gap.told).toMatchObject({ error: { status: 410, code: 'gap', gap: { channel: 'gone', reason: 'deleted' } } })
  })

  it('may not be kept by caches even where a poll of the channel may', async () => {
    const other = await startServer({ transports: 'all', rules: [{ match: '**', public: true }] })
    try {
      const cacheOf = async (query: string): Promise<string | undefined> =>
        header(await send(other.port, { path: `/channels/a?${query}` }), 'cache-control')
      expect(await cacheOf('transport=poll')).toContain('public')
      expect(await cacheOf('transport=jsonp&callback=cb')).toBe('no-store')
    } finally {
      await other.close()
    }
  })
})

describe.each(['iframe', 'jsonp'])('%s, asked for wrongly,', (name) => {
  const at = (query: string): string => `/channels/a?transport=${name}&${query}`

  it('is refused where it isn’t switched on', async () => {
    const usual = await startServer()
    try {
      await expectRefusal(usual.port, { path: at('callback=f') }, 403, 'transport-disabled')
    } finally {
      await usual.close()
    }
  })

  it.each([
    '',
    '1a',
    'a-b',
    'a%28',
    'a%20b',
    'alert%281%29',
    'a%5B0%5D',
    '%C3%A9',
    'a%0A',
    'a%3C',
    'a%3B',
    '.a',
    'a'.repeat(65),
    'a&callback=b',
  ])('gets a problem document for the callback %j', async (callback) => {
    await expectRefusal(port, { path: at(`callback=${callback}`) }, 400, 'parameter-invalid')
  })

  it('gets one without a callback, and for bad parameters', async () => {
    await expectRefusal(port, { path: at('') }, 400, 'parameter-invalid')
    for (const query of ['wait=x', 'last=-1', 'limit=0', 'onGap=foo', 'envelope=2', 'since=a&since=b'])
      await expectRefusal(port, { path: at(`callback=cb&${query}`) }, 400, 'parameter-invalid')
  })

  it.each([
    '*',
    '',
    'null',
    'app.example.com',
    'https://app.example.com/',
    'https://APP.example.com',
    'https://app.example.com:443',
    'javascript:1',
    'ftp://a',
  ])('gets 400 for the target origin %j', async (origin) => {
    await expectRefusal(port, { path: at(`callback=cb&targetOrigin=${encodeURIComponent(origin)}`) }, 400, 'parameter-invalid')
  })

  it.each(['https://evil.example', 'http://app.example.com', 'https://app.example.com.evil.example', 'https://app.example.com:444'])(
    'gets 403 for the target origin %s, which is not on the list',
    async (origin) => {
      await expectRefusal(port, { path: at(`callback=cb&targetOrigin=${encodeURIComponent(origin)}`) }, 403, 'origin-refused')
    },
  )

  it.each<[string, [string, string][]]>([
    ['an origin', [['Origin', 'https://evil.example']]],
    ['no origin', [['Origin', 'null']]],
    ['a page', [['Referer', 'https://evil.example/page']]],
    ['a page that looks like one of ours', [['Referer', 'https://evil.example/https://app.example.com/']]],
    ['a page without an origin', [['Referer', 'data:text/html,x']]],
    ['no page at all', [['Referer', 'nonsense']]],
    ['a page that keeps itself back', [['Sec-Fetch-Site', 'cross-site']]],
    ['a neighbour that keeps itself back', [['Sec-Fetch-Site', 'same-site']]],
    [
      'a page that lies about its site',
      [
        ['Referer', 'https://evil.example/'],
        ['Sec-Fetch-Site', 'same-origin'],
      ],
    ],
  ])('gives nothing to %s', async (_what, headers) => {
    await expectRefusal(port, { path: at('callback=cb'), headers }, 403, 'origin-refused')
  })

  it.each<[string, [string, string][]]>([
    [
      'on the list',
      [
        ['Referer', 'https://app.example.com/some/page?x'],
        ['Sec-Fetch-Site', 'cross-site'],
      ],
    ],
    [
      'of this machine',
      [
        ['Referer', 'http://localhost:3000/'],
        ['Sec-Fetch-Site', 'cross-site'],
      ],
    ],
    ['of this server', [['Sec-Fetch-Site', 'same-origin']]],
    ['that somebody opened himself', [['Sec-Fetch-Site', 'none']]],
  ])('is for a page %s', async (_what, headers) => {
    expect((await sendForHead(port, { path: at('callback=cb'), headers })).status).toBe(200)
  })

  it('is for a page of this server, not for a sandbox in it, which has its referrer', async () => {
    const from = (site: string): [string, string][] => [
      ['Referer', `http://127.0.0.1:${port}/`],
      ['Sec-Fetch-Site', site],
    ]
    expect((await sendForHead(port, { path: at('callback=cb'), headers: from('same-origin') })).status).toBe(200)
    await expectRefusal(port, { path: at('callback=cb'), headers: from('cross-site') }, 403, 'origin-refused')
  })
})
