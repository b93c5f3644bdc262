import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { askOver, eight, pathOver } from '../support/eight.ts'
import { hostile } from '../support/hostile-origins.ts'
import { countOf, expectProblem } from '../support/problems.ts'
import { closeRaw } from '../support/raw-client.ts'
import { header, send, sendForHead } from '../support/raw-http.ts'
import type { Answer } from '../support/raw-http.ts'
import { handshakeHeaders, tryHandshake } from '../support/raw-websocket.ts'
import { attachServer, startServer } from '../support/start-server.ts'
import type { TestServer } from '../support/start-server.ts'

// Who may ask (CONTRACT section 9): origins and hosts. Cross-site WebSocket hijacking (CWE-1385), DNS rebinding, and CORS that reflects are what is tried here.

let local: TestServer
let listed: TestServer

beforeAll(async () => {
  local = await startServer({ transports: 'all' })
  listed = await startServer({
    transports: 'all',
    origins: ['https://app.example.com', 'http://intranet:8080'],
    hosts: ['push.example.com'],
  })
})
afterAll(async () => {
  await local.close()
  await listed.close()
})
afterEach(closeRaw)

type Headers = readonly (readonly [string, string])[]

/** Each way in: what a page of the origin would do. */
const ways: readonly (readonly [string, (port: number, headers: Headers) => Promise<Answer>])[] = [
  ...eight.map((one): [string, (port: number, headers: Headers) => Promise<Answer>] => [
    one.name,
    async (port, headers) =>
      await askOver(port, one, pathOver(one, '/channels/kept', one.name === 'long-poll' ? 'wait=1' : 'since=earliest'), headers),
  ]),
  [
    'a held script',
    async (port, headers) => await send(port, { path: '/channels/kept?transport=jsonp&callback=cb&wait=1&since=earliest', headers }),
  ],
  [
    'POST /subscribe over a stream',
    async (port, headers) =>
      await sendForHead(port, { method: 'POST', path: '/subscribe?transport=stream', headers, body: '{"channels":["kept"]}' }),
  ],
  [
    'websocket of several',
    async (port, headers) => await tryHandshake(port, '/subscribe?channel=kept', [...handshakeHeaders(), ...headers]),
  ],
  ['fanfare.v1', async (port, headers) => await tryHandshake(port, '/connect', [...handshakeHeaders(), ...headers])],
  ['publish', async (port, headers) => await send(port, { method: 'POST', path: '/channels/hostile', headers, body: 'x' })],
  [
    'a batch',
    async (port, headers) =>
      await send(port, {
        method: 'POST',
        path: '/publish',
        headers: [...headers, ['Content-Type', 'application/json']],
        body: '[{"channel":"hostile","data":1}]',
      }),
  ],
  [
    'POST /subscribe',
    async (port, headers) => await send(port, { method: 'POST', path: '/subscribe', headers, body: '{"channels":["kept"]}' }),
  ],
  ['delete', async (port, headers) => await send(port, { method: 'DELETE', path: '/channels/kept', headers })],
  ['HEAD', async (port, headers) => await send(port, { method: 'HEAD', path: '/channels/kept', headers })],
]

async function expectRefused(port: number, headers: Headers, code: string, statuses: readonly number[] = [403]): Promise<void> {
  for (const [way, attempt] of ways) {
    const answer = await attempt(port, headers)
    expect({
      way,
      status: statuses.includes(answer.status) ? 'refused' : answer.status,
      acao: header(answer, 'access-control-allow-origin'),
    }).toEqual({ way, status: 'refused', acao: undefined })
    expect(header(answer, 'access-control-allow-credentials')).toBeUndefined()
    if (answer.status !== 403) continue
    expect({ way, vary: header(answer, 'vary') }).toMatchObject({ vary: expect.stringMatching(/\borigin\b/i) as unknown })
    if (way !== 'HEAD') expectProblem(answer, 403, code)
  }
}

describe('with a list of origins', () => {
  const host = ['Host', 'push.example.com'] as const

  it('the table has at least 60 rows', () => {
    expect(new Set(hostile).size).toBe(hostile.length)
    expect(hostile.length).toBeGreaterThanOrEqual(60)
  })

  it.each(hostile)('%s is refused on every way in, and nothing reflects it', async (origin) => {
    await expectRefused(listed.port, [host, ['Origin', origin]], 'origin-refused', [400, 403])
  })

  it.each([
    ['evil first', 'https://evil.example', 'https://app.example.com'],
    ['evil last', 'https://app.example.com', 'https://evil.example'],
    ['null last', 'https://app.example.com', 'null'],
  ])('two Origin headers are refused: %s', async (_what, first, second) => {
    await expectRefused(listed.port, [host, ['Origin', first], ['Origin', second]], 'origin-refused', [400, 403])
  })

  it.each(['https://app.example.com', 'http://intranet:8080'])(
    '%s on the list is let in, by its own name only and without credentials',
    async (origin) => {
      for (const [way, attempt] of ways) {
        if (way === 'delete') continue
        const answer = await attempt(listed.port, [host, ['Origin', origin]])
        expect({ way, status: [101, 200, 201].includes(answer.status) ? 'let in' : answer.status }).toEqual({ way, status: 'let in' })
        if (answer.status === 101) continue
        expect(header(answer, 'access-control-allow-origin')).toBe(origin)
        expect(header(answer, 'access-control-allow-credentials')).toBeUndefined()
        expect(header(answer, 'vary')).toMatch(/\borigin\b/i)
        const exposed = (header(answer, 'access-control-expose-headers') ?? '').toLowerCase().split(/\s*,\s*/)
        for (const name of ['fanfare-cursor', 'fanfare-count']) expect(exposed).toContain(name)
      }
    },
  )

  it('refusals of other kinds carry the same headers, so that a page can read them', async () => {
    const answer = await send(listed.port, { path: '/channels/a//b', headers: [host, ['Origin', 'https://app.example.com']] })
    expectProblem(answer, 400, 'channel-name-invalid')
    expect(header(answer, 'access-control-allow-origin')).toBe('https://app.example.com')
  })

  it('an answer to nobody’s origin varies by it too, so that no cache mixes them up', async () => {
    const answer = await send(listed.port, { path: '/channels/kept', headers: [host] })
    expect(answer.status).toBe(200)
    expect(header(answer, 'vary')).toMatch(/\borigin\b/i)
    expect(header(answer, 'access-control-allow-origin')).toBeUndefined()
  })
})

describe('the pre-flight of CORS', () => {
  const preflight = async (port: number, origin: string, path: string, host = 'push.example.com'): Promise<Answer> =>
    await send(port, {
      method: 'OPTIONS',
      path,
      headers: [
        ['Host', host],
        ['Origin', origin],
        ['Access-Control-Request-Method', 'POST'],
        ['Access-Control-Request-Headers', 'content-type, idempotency-key, fanfare-event, fanfare-id, last-event-id, prefer'],
      ],
    })

  it.each(['/channels/kept', '/publish', '/subscribe?channel=kept'])('of %s is granted to an origin on the list', async (path) => {
    const answer = await preflight(listed.port, 'https://app.example.com', path)
    expect([200, 204]).toContain(answer.status)
    expect(header(answer, 'access-control-allow-origin')).toBe('https://app.example.com')
    expect(header(answer, 'access-control-allow-credentials')).toBeUndefined()
    expect((header(answer, 'access-control-allow-methods') ?? '').split(/\s*,\s*/)).toContain('POST')
    const allowed = (header(answer, 'access-control-allow-headers') ?? '').toLowerCase().split(/\s*,\s*/)
    for (const name of ['content-type', 'idempotency-key', 'fanfare-event', 'fanfare-id', 'last-event-id', 'prefer'])
      expect(allowed).toContain(name)
    expect(header(answer, 'vary')).toMatch(/\borigin\b/i)
  })

  it.each(hostile)('is not granted to %s', async (origin) => {
    const answer = await preflight(listed.port, origin, '/channels/kept')
    expect([400, 403]).toContain(answer.status)
    expect(header(answer, 'access-control-allow-origin')).toBeUndefined()
    expect(header(answer, 'access-control-allow-methods')).toBeUndefined()
  })
})

describe('on a loopback address, without lists', () => {
  it.each([
    'http://localhost',
    'http://localhost:3000',
    'https://localhost',
    'http://127.0.0.1:5173',
    'http://127.0.0.1',
    'http://[::1]:8080',
    'http://[::1]',
  ])('%s is let in', async (origin) => {
    for (const [way, attempt] of ways) {
      if (way === 'delete') continue
      const answer = await attempt(local.port, [['Origin', origin]])
      expect({ way, status: [101, 200, 201].includes(answer.status) ? 'let in' : answer.status }).toEqual({ way, status: 'let in' })
      if (answer.status !== 101) expect(header(answer, 'access-control-allow-origin')).toBe(origin)
    }
  })

  it('requests without an origin are let in, and get no CORS', async () => {
    const answer = await send(local.port, { path: '/channels/kept' })
    expect([answer.status, header(answer, 'access-control-allow-origin')]).toEqual([200, undefined])
    expect(header(answer, 'vary')).toMatch(/\borigin\b/i)
  })

  it.each([
    'null',
    '*',
    'file://',
    'http://evil.example',
    'http://localhost.evil.example',
    'http://localhost.evil.example:3000',
    'http://evillocalhost',
    'http://evil-localhost:80',
    'http://localhost@evil.example',
    'http://localhost:3000@evil.example',
    'http://127.0.0.1.evil.example',
    'http://127.0.0.1.nip.io',
    'http://127.0.0.1@evil.example',
    'http://evil.example/localhost',
    'http://evil.example?localhost',
    'http://evil.example#localhost',
    'http://evil.example:8000',
    'http://1.2.3.4',
    'http://10.0.0.1',
    'http://192.168.0.1:8000',
    'http://128.0.0.1',
    'http://0.0.0.0',
    'http://[::2]',
    'http://[2001:db8::1]',
    'http://[::ffff:8.8.8.8]',
    'http://[::1',
    'http://[::1].evil.example',
    'localhost',
    '//localhost',
    'http:localhost',
    'http:/localhost',
    'http://',
    'http://localhost:x',
    'http://localhost/',
    'http://localhost/path',
    'http://localhost\\@evil.example',
    'ftp://localhost',
    'chrome-extension://localhost',
    'http://localhost http://evil.example',
    'http://evil.example, http://localhost',
    'http://loca1host',
    'http://local.host',
    'http://localhost,evil.example',
  ])('%s is refused', async (origin) => {
    await expectRefused(local.port, [['Origin', origin]], 'origin-refused', [400, 403])
  })

  it('after all that nothing hostile was stored and nothing was deleted', async () => {
    expect(await countOf(local.port, 'hostile')).toBeGreaterThan(0)
    const own = await send(listed.port, { method: 'HEAD', path: '/channels/hostile', headers: [['Host', 'push.example.com']] })
    // The two origins on the list published once each by publish and by batch.
    expect(header(own, 'fanfare-count')).toBe('4')
  })
})

describe('on a loopback address, behind a proxy for a listed host', () => {
  const behindProxy = [['Host', 'push.example.com']] as const

  it.each(['http://localhost', 'http://localhost:3000', 'https://127.0.0.1', 'http://[::1]:8080'])(
    '%s is a page on the visitor’s own machine, and is refused',
    async (origin) => await expectRefused(listed.port, [...behindProxy, ['Origin', origin]], 'origin-refused'),
  )

  it('a page on this machine is let in under a loopback Host, whatever is listed', async () => {
    const answer = await send(listed.port, { path: '/channels/kept', headers: [['Origin', 'http://localhost:3000']] })
    expect([answer.status, header(answer, 'access-control-allow-origin')]).toEqual([200, 'http://localhost:3000'])
  })

  it('a Host on the list makes no origin of that name where origins are listed', async () => {
    await expectRefused(listed.port, [...behindProxy, ['Origin', 'https://push.example.com']], 'origin-refused')
  })

  describe('without a list of origins', () => {
    let hosted: TestServer

    beforeAll(async () => (hosted = await startServer({ transports: 'all', hosts: ['push.example.com', 'other.example.com:8443'] })))
    afterAll(async () => await hosted.close())

    it.each([
      ['https://push.example.com', 'push.example.com'],
      ['http://push.example.com', 'push.example.com'],
      ['https://push.example.com', 'PUSH.example.com:443'],
      ['http://push.example.com:8080', 'push.example.com:8080'],
      ['https://other.example.com:8443', 'other.example.com:8443'],
    ])('%s is a page of the server itself under %s, and is let in', async (origin, host) => {
      for (const [way, attempt] of ways) {
        if (way === 'delete') continue
        const answer = await attempt(hosted.port, [
          ['Host', host],
          ['Origin', origin],
        ])
        expect({ way, status: [101, 200, 201].includes(answer.status) ? 'let in' : answer.status }).toEqual({ way, status: 'let in' })
        if (answer.status !== 101) expect(header(answer, 'access-control-allow-origin')).toBe(origin)
      }
    })

    it.each([
      ['https://other.example.com:8443', 'push.example.com'],
      ['https://push.example.com', 'other.example.com:8443'],
      ['https://push.example.com:8443', 'push.example.com'],
      ['http://push.example.com', 'push.example.com:443'],
      ['https://push.example.com', 'push.example.com:80'],
      ['https://push.example.com', '127.0.0.1'],
      ['https://a.push.example.com', 'push.example.com'],
      ['https://push.example.com.evil.example', 'push.example.com'],
      ['https://push.example.com@evil.example', 'push.example.com'],
      ['ftp://push.example.com', 'push.example.com'],
      ['http://localhost', 'push.example.com'],
      ['null', 'push.example.com'],
    ])('%s is another one than %s, and is refused', async (origin, host) => {
      const headers = [
        ['Host', host],
        ['Origin', origin],
      ] as const
      await expectRefused(hosted.port, headers, 'origin-refused', [400, 403])
    })

    it('a page of a Host that is not listed is DNS rebinding, whatever it calls itself', async () => {
      const headers = [
        ['Host', 'evil.example'],
        ['Origin', 'http://evil.example'],
      ] as const
      await expectRefused(hosted.port, headers, 'host-refused', [400, 403])
    })
  })

  it('a foreign host is told which option lets it in', async () => {
    const { detail } = expectProblem(
      await send(listed.port, { path: '/channels/kept', headers: [['Host', 'other.example.com']] }),
      403,
      'host-refused',
    )
    expect(detail).toContain('option hosts')
  })
})

describe('the host', () => {
  it.each([
    'evil.example',
    'evil.example:8000',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    'localhost@evil.example',
    'evil.example@localhost',
    '127.0.0.1.nip.io',
    '10.0.0.1',
    '192.168.1.1:8000',
    '[2001:db8::1]',
    '0.0.0.0',
    'push.example.com',
    'localhost:x',
    'localhost/evil',
    'localhost, evil.example',
    'a b',
  ])('%s is foreign to a loopback server: DNS rebinding ends here', async (host) => {
    await expectRefused(local.port, [['Host', host]], 'host-refused', [400, 403])
  })

  it('without a name is foreign too', async () => {
    await expectRefused(local.port, [['Host', '']], 'host-refused', [400, 403])
  })

  it('given twice is refused, whichever comes first', async () => {
    for (const [first, second] of [
      ['evil.example', 'localhost'],
      ['localhost', 'evil.example'],
    ] as const) {
      await expectRefused(
        local.port,
        [
          ['Host', first],
          ['Host', second],
        ],
        'host-refused',
        [400, 403],
      )
    }
  })

  it('is that of an absolute address where there is one (RFC 9112, section 3.2.2)', async () => {
    const answer = await send(local.port, { path: 'http://evil.example/channels/kept' })
    expect([400, 403, 404]).toContain(answer.status)
  })

  it('is looked at on every address but the probes of health', async () => {
    for (const path of ['/channels/kept', '/subscribe?channel=kept', '/metrics', '/openapi.json', '/presence/a', '/nowhere']) {
      expectProblem(await send(local.port, { path, headers: [['Host', 'evil.example']] }), 403, 'host-refused')
    }
  })

  it.each(['localhost', 'LOCALHOST', '127.0.0.1', '[::1]'])('%s with the server’s port is its own', async (host) => {
    expect((await send(local.port, { path: '/channels/kept', headers: [['Host', `${host}:${local.port}`]] })).status).toBe(200)
  })

  it('on the list is its own, in any case, with and without a port; no other is', async () => {
    for (const host of ['push.example.com', 'PUSH.example.com', 'push.example.com:443']) {
      expect((await send(listed.port, { path: '/channels/kept', headers: [['Host', host]] })).status).toBe(200)
    }
    for (const host of [
      'app.example.com',
      'push.example.com.evil.example',
      'xpush.example.com',
      'push.example.com@evil.example',
      'example.com',
    ]) {
      await expectRefused(listed.port, [['Host', host]], 'host-refused', [400, 403])
    }
  })
})

describe('an address that is not loopback', () => {
  it('is refused at the start without authentication', async () => {
    await expect(startServer({ host: '0.0.0.0' })).rejects.toThrow(/insecure/)
    await expect(startServer({ host: '::' })).rejects.toThrow(/insecure/)
  })

  it('with --insecure and no lists answers to any Host, and to pages of that very Host only', async () => {
    const open = await attachServer({ insecure: true })
    try {
      for (const host of ['anything.example', 'anything.example:9000', '10.1.2.3', 'localhost']) {
        expect((await send(open.port, { path: '/channels/kept', headers: [['Host', host]] })).status).toBe(200)
        expect(
          (
            await send(open.port, {
              path: '/channels/kept',
              headers: [
                ['Host', host],
                ['Origin', `http://${host}`],
              ],
            })
          ).status,
        ).toBe(200)
      }
      for (const origin of [
        'http://evil.example',
        'http://anything.example:9000',
        'http://anything.example.evil.example',
        'http://xanything.example',
        'http://localhost',
        'null',
        'anything.example',
        'http://anything.example/',
      ]) {
        await expectRefused(
          open.port,
          [
            ['Host', 'anything.example'],
            ['Origin', origin],
          ],
          'origin-refused',
          [400, 403],
        )
      }
    } finally {
      await open.close()
    }
  })

  it('with lists answers to these only, loopback ones not even', async () => {
    const strict = await attachServer({ insecure: true, hosts: ['push.example.com'], origins: ['https://app.example.com'] })
    const host = ['Host', 'push.example.com'] as const
    try {
      expect((await send(strict.port, { path: '/channels/kept', headers: [host, ['Origin', 'https://app.example.com']] })).status).toBe(200)
      expect((await send(strict.port, { path: '/channels/kept', headers: [host] })).status).toBe(200)
      for (const foreign of ['localhost', '127.0.0.1', 'evil.example'])
        await expectRefused(strict.port, [['Host', foreign]], 'host-refused')
      for (const origin of ['http://localhost:3000', 'http://127.0.0.1', 'https://push.example.com', 'null'])
        await expectRefused(strict.port, [host, ['Origin', origin]], 'origin-refused')
    } finally {
      await strict.close()
    }
  })
})
