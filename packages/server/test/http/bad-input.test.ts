import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { askOver, eight, expectRefusedOverAll, pathOver } from '../support/eight.ts'
import { expectProblem, expectRefusal, poll, publish } from '../support/problems.ts'
import { closeRaw } from '../support/raw-client.ts'
import { header, send } from '../support/raw-http.ts'
import { handshakeHeaders, tryHandshake } from '../support/raw-websocket.ts'
import { startServer } from '../support/start-server.ts'
import type { TestServer } from '../support/start-server.ts'

// Every bad input in an address that CONTRACT sections 1, 2, 4 and 7 name: names of channels, parameters, cursors, methods, addresses.

let server: TestServer
let port: number

beforeAll(async () => {
  server = await startServer({ transports: 'all' })
  port = server.port
})
afterAll(async () => await server.close())
afterEach(closeRaw)

const upgrade = async (path: string, headers: readonly (readonly [string, string])[] = []) =>
  await tryHandshake(port, path, [...handshakeHeaders(), ...headers])

/** The names as they stand in an address, and what is wrong with each. */
const badNames: readonly (readonly [string, string])[] = [
  ['256 bytes', 'x'.repeat(256)],
  ['256 bytes of UTF-8 in 128 characters', '%C3%A9'.repeat(128)],
  ['an empty segment at its begin', '/a'],
  ['an empty segment in its middle', 'a//b'],
  ['an empty segment at its end', 'a/'],
  ['an empty segment by %2F', 'a%2F/b'],
  ['a segment .', 'a/./b'],
  ['a segment ..', 'a/../b'],
  ['nothing but ..', '..'],
  ['a segment .. by %2E', 'a/%2e%2E/b'],
  ['a segment .. by %2F', 'a%2F..%2Fb'],
  ['NUL', 'a%00b'],
  ['a line end', 'a%0Ab'],
  ['a carriage return', 'a%0Db'],
  ['the last C0 control', 'a%1Fb'],
  ['DEL', 'a%7Fb'],
  ['a C1 control', 'a%C2%85b'],
  ['a space', 'a%20b'],
  ['a tab', 'a%09b'],
  ['a no-break space', 'a%C2%A0b'],
  ['an em space', 'a%E2%80%83b'],
  ['an ideographic space', 'a%E3%80%80b'],
  ['a line separator', 'a%E2%80%A8b'],
  ['*', 'a*b'],
  ['* by %2A', '%2A'],
  ['? by %3F', 'a%3Fb'],
  ['# by %23', 'a%23b'],
  [',', 'a,b'],
  ['% by %25', 'a%25b'],
  ['what would be fine, decoded twice', 'a%2562'],
  ['a slash, decoded twice', 'a%252Fb'],
  ['+', 'a+b'],
  ['+ by %2B', 'a%2Bb'],
  ['{', 'a%7Bb'],
  ['}', 'a%7Db'],
  ['not NFC', 'e%CC%81'],
  ['not NFC: an angstrom sign', '%E2%84%AB'],
  ['a lone percent', 'a%'],
  ['half an escape', 'a%2'],
  ['no hex in an escape', 'a%zz'],
  ['a cut character', 'a%C3'],
  ['a lone continuation byte', 'a%80b'],
  ['an overlong slash', 'a%C0%AFb'],
  ['an overlong NUL', 'a%C0%80'],
  ['a surrogate', '%ED%A0%80'],
  ['above U+10FFFF', '%F4%90%80%80'],
  ['a byte that UTF-8 never has', '%FF'],
]

describe('a channel name, section 1', () => {
  it.each(badNames)('with %s is refused with 400 on every address that takes one', async (_what, name) => {
    const requests = [
      { method: 'POST', path: `/channels/${name}`, body: 'x' },
      { method: 'GET', path: `/channels/${name}` },
      { method: 'HEAD', path: `/channels/${name}` },
      { method: 'DELETE', path: `/channels/${name}` },
      { method: 'GET', path: `/channels/${name}?wait=1` },
    ]
    for (const request of requests) await expectRefusal(port, request, 400, 'channel-name-invalid')
    await expectRefusedOverAll(port, `/channels/${name}`, '', { status: 400, code: 'channel-name-invalid' })
    // In a query a bad escape may be told as a bad parameter.
    const many = expectProblem(await send(port, { path: `/subscribe?channel=good&channel=${name}` }), 400)
    expect(['channel-name-invalid', 'parameter-invalid']).toContain(many.code)
    expectProblem(await upgrade(`/subscribe?channel=${name}`), 400)
  })

  it.each([['$sys'], ['$sys/x'], ['%24sys/x'], ['$']])('that begins with $ is Fanfare’s own: %s gets 403', async (name) => {
    await expectRefusal(port, { method: 'POST', path: `/channels/${name}`, body: 'x' }, 403, 'channel-reserved')
    await expectRefusal(port, { path: `/channels/${name}` }, 403, 'channel-reserved')
    await expectRefusal(port, { method: 'DELETE', path: `/channels/${name}` }, 403, 'channel-reserved')
    await expectRefusedOverAll(port, `/channels/${name}`, '', { status: 403, code: 'channel-reserved' })
    await expectRefusedOverAll(port, `/subscribe?channel=${name}`, '', { status: 403, code: 'channel-reserved' })
  })

  it.each([
    ['x'.repeat(255), 'x'.repeat(255)],
    ['%C3%A9', 'é'],
    ['%c3%a9', 'é'],
    ['quotes/AAPL', 'quotes/AAPL'],
    ['quotes%2FAAPL', 'quotes/AAPL'],
    ['a/%62%63', 'a/bc'],
    ['a/$b', 'a/$b'],
    ['...', '...'],
    ['a.b/.c', 'a.b/.c'],
    ['%F0%9F%98%80', '😀'],
    ["a;=&:@!~'()-_", "a;=&:@!~'()-_"],
    ['__proto__', '__proto__'],
    ['constructor/toString', 'constructor/toString'],
  ])('is decoded once, and %s is %s', async (name, meant) => {
    expect((await publish(port, name, 'x')).channel).toBe(meant)
    expect((await poll(port, `/channels/${name}?last=1`)).publications[0]?.channel).toBe(meant)
    const query = encodeURIComponent(meant)
    expect((await poll(port, `/subscribe?channel=${query}&last=1`)).publications[0]?.channel).toBe(meant)
  })

  it('an empty one is no channel', async () => {
    const answer = await send(port, { path: '/channels/' })
    expect([400, 404]).toContain(answer.status)
    expectProblem(answer, answer.status)
  })

  it('one that nobody has published to may be read', async () => {
    expect(await poll(port, '/channels/never/published')).toMatchObject({ publications: [], more: false, gaps: [] })
  })

  it('an address longer than headers may be gets an answer and no crash', async () => {
    const answer = await send(port, { path: `/channels/${'x'.repeat(100_000)}` })
    expect([400, 414, 431]).toContain(answer.status)
    await poll(port, '/channels/fine')
  })
})

describe('the transport, section 4', () => {
  it.each([
    ['foo'],
    [''],
    ['POLL'],
    ['poll,sse'],
    ['toString'],
    ['constructor'],
    ['__proto__'],
    ['hasOwnProperty'],
    ['%00'],
    ['sse%20'],
    ['fanfare.v1'],
  ])('that nobody knows gets 400: %s', async (name) => {
    await expectRefusal(port, { path: `/channels/a?transport=${name}` }, 400, 'transport-unknown')
    await expectRefusal(port, { path: `/subscribe?channel=a&transport=${name}` }, 400, 'transport-unknown')
    await expectRefusal(
      port,
      { method: 'POST', path: `/subscribe?transport=${name}`, body: '{"channels":["a"]}' },
      400,
      'transport-unknown',
    )
  })

  it.each([['iframe'], ['jsonp']])('that stands only by configuration is switched off by default: %s', async (name) => {
    const usual = await startServer()
    await expectRefusal(usual.port, { path: `/channels/a?transport=${name}&callback=f` }, 403, 'transport-disabled')
    await usual.close()
  })

  it('by name is WebSocket only with an upgrade', async () => {
    const answer = await send(port, { path: '/channels/a?transport=websocket' })
    expect([400, 426]).toContain(answer.status)
    expectProblem(answer, answer.status)
  })

  it('that is switched off gets 403, chosen by name, by Accept, by Prefer and by upgrade', async () => {
    const few = await startServer({ transports: ['poll'] })
    try {
      for (const one of eight.filter(({ name }) => name !== 'poll')) {
        for (const path of ['/channels/a', '/subscribe?channel=a&channel=b'])
          expectProblem(await askOver(few.port, one, pathOver(one, path)), 403, 'transport-disabled')
        await expectRefusal(few.port, { path: `/channels/a?transport=${one.name}&callback=cb` }, 403, 'transport-disabled')
      }
      const rest = await startServer({ transports: eight.map(({ name }) => name).filter((name) => name !== 'poll') })
      await expectRefusal(rest.port, { path: '/channels/a' }, 403, 'transport-disabled')
      await rest.close()
      for (const type of ['text/event-stream', 'application/x-ndjson', 'multipart/mixed'])
        await expectRefusal(few.port, { path: '/channels/a', headers: [['Accept', type]] }, 403, 'transport-disabled')
      await expectRefusal(few.port, { path: '/channels/a?wait=1' }, 403, 'transport-disabled')
      const answer = await tryHandshake(few.port, '/channels/a', handshakeHeaders())
      expectProblem(answer, 403, 'transport-disabled')
      await answer.connection.untilEnd()
      await poll(few.port, '/channels/a')
    } finally {
      await few.close()
    }
  })
})

describe('parameters, section 4', () => {
  const rows = [
    ...['abc', '-1', '', '1.5', '1e1', '0x10', 'Infinity', 'NaN', '%201', '1%20', '1,2', '٣', 'true'].map(
      (value) => ['wait', value] as const,
    ),
    ...['abc', '-1', '', '1.5', '1e2', '0x10', 'Infinity', '1%00'].map((value) => ['last', value] as const),
    ...['abc', '-1', '', '0', '1.5', '1e2', 'Infinity'].map((value) => ['limit', value] as const),
    ...['foo', '', 'LATEST', 'latest%20', 'stop,latest', 'constructor'].map((value) => ['onGap', value] as const),
  ]

  it.each(rows)('?%s=%s gets 400 on all eight, before anything opens', async (name, value) => {
    const refused = { status: 400, code: 'parameter-invalid' }
    await expectRefusedOverAll(port, '/channels/a', `${name}=${value}`, refused)
    await expectRefusedOverAll(port, '/subscribe?channel=a', `${name}=${value}`, refused)
  })

  it.each([
    ['onGap=stop&onGap=stop'],
    ['last=1&last=1'],
    ['since=earliest&since=latest'],
    ['envelope=2'],
    ['envelope=yes'],
    ['limit=1&limit=1'],
  ])('?%s gets 400 on all eight', async (query) => {
    await expectRefusedOverAll(port, '/channels/a', query, { status: 400, code: 'parameter-invalid' })
  })

  it('more channels than a response may have, none, or one named twice get 400 on all eight', async () => {
    const many = Array.from({ length: 65 }, (_, index) => `channel=c${index}`).join('&')
    for (const path of [`/subscribe?${many}`, '/subscribe', '/subscribe?x=1'])
      await expectRefusedOverAll(port, path, '', { status: 400, code: 'parameter-invalid' })
    for (const one of eight.filter(({ name }) => name !== 'websocket')) {
      for (const body of ['{"channels":["a","a"]}', '{"channels":[]}', '{}', '{"channels":"a"}', '{"channels":[1]}', '{"channels":[{}]}']) {
        const answer = await send(port, { method: 'POST', path: pathOver(one, '/subscribe'), body })
        expect({ over: one.name, body, status: answer.status }).toEqual({ over: one.name, body, status: 400 })
        expectProblem(answer, 400)
      }
    }
  })

  it('a limit over 1,000 is refused or counts as 1,000', async () => {
    const answer = await send(port, { path: '/channels/a?limit=1001' })
    if (answer.status !== 200) expectProblem(answer, 400, 'parameter-invalid')
  })

  it.each([
    ['wait=abc'],
    ['wait=-1'],
    ['wait='],
    ['wait'],
    ['wait=1.5'],
    ['respond-async'],
    ['foo=bar; wait=5x'],
    [';;;'],
    ['"'],
    ['wait="'],
  ])('a bad Prefer (%s) is ignored: a poll, at once', async (prefer) => {
    const answer = await send(port, { path: '/channels/a', headers: [['Prefer', prefer]] })
    expect(answer.status).toBe(200)
    expect(header(answer, 'preference-applied')).toBeUndefined()
  })

  it('a good Prefer is answered by Preference-Applied', async () => {
    await publish(port, 'preferred', 'x')
    for (const prefer of ['wait=5', 'respond-async, wait=5', 'Wait=5', 'wait="5"']) {
      const answer = await send(port, { path: '/channels/preferred?since=earliest', headers: [['Prefer', prefer]] })
      expect(answer.status).toBe(200)
      expect(header(answer, 'preference-applied')).toMatch(/^wait="?5"?$/i)
    }
  })

  it('a wait of more than 60 s counts as 60 and is no error', async () => {
    await publish(port, 'patient', 'x')
    for (const wait of ['61', '100000', '99999999999999999999']) {
      expect((await poll(port, `/channels/patient?since=earliest&wait=${wait}`)).publications).toHaveLength(1)
    }
  })

  it('bad escapes in a query get 400 where they are read', async () => {
    for (const query of ['since=%zz', 'since=%FF', 'wait=%', 'transport=%C0%AF'])
      expectProblem(await send(port, { path: `/channels/a?${query}` }), 400)
  })
})

describe('addresses and methods, sections 2 and 7', () => {
  it.each([
    ['/nowhere'],
    ['/channel/a'],
    ['/channelsx'],
    ['/channels'],
    ['/publish/x'],
    ['/connect/x'],
    ['/healthz/x'],
    ['/subscribe/x'],
    ['/metrics/'],
    ['/%'],
    ['//channels/a'],
    ['/Channels/a'],
    ['/__proto__'],
    ['/constructor'],
  ])('there is nothing at %s', async (path) => {
    await expectRefusal(port, { path }, 404, 'address-unknown')
  })

  const methods: readonly (readonly [string, string, readonly string[]])[] = [
    ['PUT', '/channels/a', ['GET', 'HEAD', 'POST', 'DELETE']],
    ['PATCH', '/channels/a', ['GET', 'HEAD', 'POST', 'DELETE']],
    ['PROPFIND', '/channels/a', ['GET', 'HEAD', 'POST', 'DELETE']],
    ['GET', '/publish', ['POST']],
    ['PUT', '/publish', ['POST']],
    ['DELETE', '/subscribe', ['GET', 'POST']],
    ['POST', '/connect', ['GET']],
    ['POST', '/healthz', ['GET']],
    ['DELETE', '/readyz', ['GET']],
    ['POST', '/metrics', ['GET']],
    ['PUT', '/openapi.json', ['GET']],
  ]
  it.each(methods)('%s %s gets 405 with Allow', async (method, path, allowed) => {
    const answer = await send(port, { method, path })
    expectProblem(answer, 405, 'method-not-allowed')
    const allow = (header(answer, 'allow') ?? '').split(/\s*,\s*/)
    for (const name of allowed) expect(allow).toContain(name)
    expect(allow).not.toContain(method)
  })

  it('what is not built yet says so with 501', async () => {
    await expectRefusal(port, { path: '/presence/a' }, 501, 'not-available')
  })

  it('/connect without an upgrade is told so', async () => {
    const answer = await send(port, { path: '/connect' })
    expect([400, 426]).toContain(answer.status)
    expectProblem(answer, answer.status)
  })
})
