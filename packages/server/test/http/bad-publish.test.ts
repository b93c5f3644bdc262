import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { countOf, expectProblem, expectRefusal, innards, poll, publish } from '../support/problems.ts'
import type { PublishAnswer } from '../support/problems.ts'
import { closeRaw, openRaw } from '../support/raw-client.ts'
import { header, readAnswer, requestBytes, send, sendBytes } from '../support/raw-http.ts'
import type { RawRequest } from '../support/raw-http.ts'
import { startServer } from '../support/start-server.ts'
import type { TestServer } from '../support/start-server.ts'

// Every bad publish that CONTRACT section 3 names gets its answer, and nothing of it is stored.

const KiB = 1024
const MiB = 1024 * KiB
let server: TestServer
let port: number

beforeAll(async () => {
  server = await startServer({ rules: [{ match: 'small', payloadBytes: 4 * KiB }] })
  port = server.port
})
afterAll(async () => await server.close())
afterEach(closeRaw)

type Headers = NonNullable<RawRequest['headers']>
const json: Headers = [['Content-Type', 'application/json']]
const post = (channel: string, body: string | Uint8Array, headers: Headers = []): RawRequest => ({
  method: 'POST',
  path: `/channels/${channel}`,
  headers,
  body,
})
const hex = (digits: string): Buffer => Buffer.from(digits.replaceAll(' ', ''), 'hex')

async function expectNothingStored(channel: string, request: RawRequest, status: number, code: string): Promise<void> {
  await expectRefusal(port, request, status, code)
  expect(await countOf(port, channel)).toBe(0)
}

describe('a payload that is not what its media type says', () => {
  it.each([
    [''],
    [' '],
    ['{'],
    ['}'],
    ['['],
    ['[1,]'],
    ['{"a":}'],
    ['{"a":1,}'],
    ['{a:1}'],
    ["{'a':1}"],
    ['{"a" 1}'],
    ['nul'],
    ['nulll'],
    ['True'],
    ['NaN'],
    ['-Infinity'],
    ['01'],
    ['1.'],
    ['.5'],
    ['+1'],
    ['1e'],
    ['0x1'],
    ['-'],
    ['"abc'],
    ['abc"'],
    ['"\\x"'],
    ['"\\u12"'],
    ['"\\uZZZZ"'],
    ['"a\nb"'],
    ['"a\tb"'],
    ['"\u0000"'],
    ['1 2'],
    ['{}{}'],
    ['[1]]'],
    ['{"a":1}x'],
    ['// x\n1'],
    ['/* x */1'],
    ['\uFEFF{}x'],
    ['\u00a01'],
    ['[1\u000b]'],
    ['['.repeat(60_000)],
  ])('application/json that is none gets 400: %j', async (body) => {
    await expectNothingStored('refused/json', post('refused/json', body, json), 400, 'payload-malformed')
    const quoted: Headers = [['Content-Type', 'Application/JSON; charset="UTF-8"']]
    await expectNothingStored('refused/json', post('refused/json', body, quoted), 400, 'payload-malformed')
  })

  it.each([['ff'], ['22 ff 22'], ['22 c0 80 22'], ['22 ed a0 80 22'], ['22 e2 82 22'], ['22 f4 90 80 80 22'], ['7b 22 80 22 3a 31 7d']])(
    'JSON that is not UTF-8 gets 400: %s',
    async (bytes) => {
      await expectNothingStored('refused/json', post('refused/json', hex(bytes), json), 400, 'payload-malformed')
    },
  )

  it.each([['ff'], ['c0 af'], ['ed a0 80'], ['61 80'], ['e2 82'], ['f4 90 80 80']])(
    'text that is not UTF-8 gets 400: %s',
    async (bytes) => {
      for (const type of ['text/plain', 'text/html; charset=utf-8', 'TEXT/CSV']) {
        await expectNothingStored('refused/text', post('refused/text', hex(bytes), [['Content-Type', type]]), 400, 'payload-malformed')
      }
    },
  )

  it('without a media type, or with the one of curl -d, the same bytes are bytes', async () => {
    for (const headers of [[], [['Content-Type', 'application/x-www-form-urlencoded'] as const]] as const) {
      const { cursor } = await publish(port, 'untyped', hex('61 ff'), headers)
      expect((await poll(port, '/channels/untyped?last=1')).publications[0]).toMatchObject({ cursor, encoding: 'base64', data: 'Yf8=' })
    }
  })

  it.each([
    ['text/plain; charset=iso-8859-1'],
    ['text/plain;charset=UTF-16'],
    ['text/html; charset="latin1"'],
    ['application/json; charset=utf-16'],
    ['text/plain; format=flowed; charset=windows-1252'],
  ])('another charset gets 415: %s', async (type) => {
    await expectNothingStored('refused/charset', post('refused/charset', '1', [['Content-Type', type]]), 415, 'media-type-unsupported')
  })

  it.each([
    ['text/plain; charset=utf-8'],
    ['text/plain; charset=UTF-8'],
    ['text/plain;charset="utf-8"'],
    ['application/json; charset=utf-8'],
  ])('UTF-8 by name passes: %s', async (type) => {
    await publish(port, 'accepted/charset', '1', [['Content-Type', type]])
  })

  it('JSON of great depth is answered within a second, either way', async () => {
    const started = performance.now()
    for (const body of ['['.repeat(32_000) + ']'.repeat(32_000), '{"a":'.repeat(10_000) + '1' + '}'.repeat(10_000)]) {
      const answer = await send(port, post('deep', body, json))
      expect([201, 400]).toContain(answer.status)
      await poll(port, '/channels/deep?last=1')
    }
    expect(performance.now() - started).toBeLessThan(1_000)
  })

  // CONTRACT is silent; a body that is stored still compressed would reach receivers as garbage.
  it('a content coding is refused with 415', async () => {
    await expectNothingStored('refused/gzip', post('refused/gzip', 'x', [['Content-Encoding', 'gzip']]), 415, 'media-type-unsupported')
  })
})

describe('names, ids and keys', () => {
  it.each([
    ['open'],
    ['error'],
    ['fanfare.'],
    ['fanfare.ready'],
    ['fanfare.gap'],
    ['x'.repeat(256)],
    ['%C3%A9'.repeat(128)],
    ['a%0Ab'],
    ['a%0D'],
    ['%00'],
    ['a%7F'],
    ['a%C2%85'],
    ['%6Fpen'],
    ['fanfare%2Ex'],
    [''],
  ])('the event %s is refused with 400', async (event) => {
    await expectNothingStored('refused/event', post('refused/event', 'x', [['Fanfare-Event', event]]), 400, 'event-name-invalid')
  })

  it.each([['%zz'], ['%'], ['a%2'], ['%FF'], ['%C0%80'], ['\xe9']])(
    'an event that is not percent-encoded UTF-8 is refused: %s',
    async (event) => {
      const problem = expectProblem(await send(port, post('refused/event', 'x', [['Fanfare-Event', event]])), 400)
      expect(['event-name-invalid', 'parameter-invalid']).toContain(problem.code)
      expect(await countOf(port, 'refused/event')).toBe(0)
    },
  )

  it.each([
    ['price', 'price'],
    ['x'.repeat(255), 'x'.repeat(255)],
    ['opened', 'opened'],
    ['fanfare', 'fanfare'],
    ['caf%C3%A9', 'café'],
    ['a%20b', 'a b'],
    ['100%25', '100%'],
    ['__proto__', '__proto__'],
  ])('the event %s is %s', async (event, meant) => {
    await publish(port, 'accepted/event', 'x', [['Fanfare-Event', event]])
    expect((await poll(port, '/channels/accepted/event?last=1')).publications[0]?.event).toBe(meant)
  })

  it.each([
    ['Fanfare-Id', 'x'.repeat(256)],
    ['Fanfare-Id', 'a%0Ab'],
    ['Fanfare-Id', '%zz'],
    ['Fanfare-Id', '%FF'],
    ['Idempotency-Key', 'x'.repeat(256)],
    ['Idempotency-Key', 'x'.repeat(10_000)],
  ])('%s: %s is refused with 400', async (name, value) => {
    await expectNothingStored('refused/id', post('refused/id', 'x', [[name, value]]), 400, 'parameter-invalid')
  })

  it('an id and a key of 255 bytes pass', async () => {
    await publish(port, 'accepted/id', 'x', [
      ['Fanfare-Id', 'i'.repeat(255)],
      ['Idempotency-Key', 'k'.repeat(255)],
    ])
    expect((await poll(port, '/channels/accepted/id?last=1')).publications[0]?.id).toBe('i'.repeat(255))
  })
})

describe('the payload’s limit', () => {
  it.each([
    ['large', 64 * KiB],
    ['small', 4 * KiB],
  ])('of %s is %i bytes: at it 201, one more 413', async (channel, limit) => {
    await publish(port, channel, Buffer.alloc(limit, 'x'))
    await expectRefusal(port, post(channel, Buffer.alloc(limit + 1, 'x')), 413, 'payload-too-large')
    const chunked = (size: number) =>
      post(channel, `${size.toString(16)}\r\n${'x'.repeat(size)}\r\n0\r\n\r\n`, [['Transfer-Encoding', 'chunked']])
    await expectRefusal(port, chunked(limit + 1), 413, 'payload-too-large')
    expect(await countOf(port, channel)).toBe(1)
    expect((await send(port, chunked(limit))).status).toBe(201)
  })

  it('is told at the head of a body that says it is too large, before the body is there', async () => {
    for (const length of [64 * KiB + 1, 10_000_000_000]) {
      const answer = await sendBytes(port, `POST /channels/huge HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Length: ${length}\r\n\r\n`)
      expectProblem(answer, 413, 'payload-too-large')
    }
    expect(await countOf(port, 'huge')).toBe(0)
  })

  it('ends a chunked body that goes on without end', async () => {
    const connection = await openRaw(port)
    connection.send(`POST /channels/huge HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nTransfer-Encoding: chunked\r\n\r\n`)
    const chunk = Buffer.from(`10000\r\n${'x'.repeat(65_536)}\r\n`)
    let sent = 0
    while (sent < 1_000 && !connection.ended && connection.pending.length === 0) {
      await connection.sent(chunk)
      sent++
    }
    expectProblem(await readAnswer(connection, 'POST'), 413, 'payload-too-large')
    expect(sent).toBeLessThan(1_000)
  })

  it('keeps to 413 when the client asks first by Expect: 100-continue', async () => {
    const head = (length: number) =>
      `POST /channels/expected HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nExpect: 100-continue\r\nContent-Length: ${length}\r\n\r\n`
    expectProblem(await sendBytes(port, head(64 * KiB + 1)), 413, 'payload-too-large')
    const connection = await openRaw(port)
    connection.send(head(2))
    await connection.until('100 Continue', (pending) => (pending.includes('HTTP/1.1 100 Continue\r\n\r\n') ? true : undefined))
    connection.send('ok')
    expect((await readAnswer(connection, 'POST')).status).toBe(201)
  })

  it('says no 100 Continue to HTTP/1.0, which knows none', async () => {
    const connection = await openRaw(port)
    connection.send(`POST /channels/expected HTTP/1.0\r\nHost: 127.0.0.1:${port}\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok`)
    const answer = await connection.until('an answer', (pending) => (pending.includes('"offset"') ? pending.toString() : undefined))
    expect(answer).toMatch(/^HTTP\/1\.1 201 /)
  })
})

describe('bytes that are no request', () => {
  it.each([
    [
      'a body with two lengths',
      (to: number) => `POST /channels/smuggled HTTP/1.1\r\nHost: 127.0.0.1:${to}\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx`,
    ],
    [
      'a length and chunks',
      (to: number) =>
        `POST /channels/smuggled HTTP/1.1\r\nHost: 127.0.0.1:${to}\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    ],
    ['a negative length', (to: number) => `POST /channels/smuggled HTTP/1.1\r\nHost: 127.0.0.1:${to}\r\nContent-Length: -1\r\n\r\n`],
    [
      'a chunk size that is none',
      (to: number) => `POST /channels/smuggled HTTP/1.1\r\nHost: 127.0.0.1:${to}\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nx\r\n0\r\n\r\n`,
    ],
    ['a header without colon', (to: number) => `GET /channels/smuggled HTTP/1.1\r\nHost: 127.0.0.1:${to}\r\nnonsense\r\n\r\n`],
    ['a folded header', (to: number) => `GET /channels/smuggled HTTP/1.1\r\nHost: 127.0.0.1:${to}\r\nA: b\r\n c\r\nB : c\r\n\r\n`],
    ['no method', () => ' / HTTP/1.1\r\n\r\n'],
    ['an unknown method', (to: number) => `BREW /channels/smuggled HTTP/1.1\r\nHost: 127.0.0.1:${to}\r\n\r\n`],
    ['another protocol', () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['TLS', () => '\x16\x03\x01\x00\xf1\x01\x00\x00\xed\x03\x03 and more \r\n\r\n'],
  ])('%s gets 400 and the end of the connection', async (_what, make) => {
    const connection = await openRaw(port)
    connection.send(Buffer.from(make(port), 'latin1'))
    const answer = await readAnswer(connection, 'POST')
    expect([400, 405, 501]).toContain(answer.status)
    expect(answer.body.toString()).not.toMatch(innards)
    await connection.untilEnd()
    expect(await countOf(port, 'smuggled')).toBe(0)
  })

  it('a request without Host gets 400 (RFC 9112, section 3.2)', async () => {
    expect((await sendBytes(port, 'GET /channels/smuggled HTTP/1.1\r\n\r\n')).status).toBe(400)
  })

  it('headers over 16 KiB get 431', async () => {
    const answer = await send(port, { path: '/channels/a', headers: [['X-Large', 'x'.repeat(20_000)]] })
    expect(answer.status).toBe(431)
    const many = await send(port, {
      path: '/channels/a',
      headers: Array.from({ length: 10_000 }, (_, index) => [`X-${index}`, 'x'] as const),
    })
    expect(many.status).toBe(431)
  })
})

describe('an idempotency key', () => {
  const keyed = (channel: string, body: string, key: string, more: Headers = []) => post(channel, body, [['Idempotency-Key', key], ...more])

  it('used again gives the first answer again, says so, and stores nothing', async () => {
    const first = await send(port, keyed('keys/a', 'x', 'k1'))
    const again = await send(port, keyed('keys/a', 'x', 'k1'))
    expect([first.status, again.status]).toEqual([201, 201])
    expect(again.body.toString()).toBe(first.body.toString())
    expect(header(again, 'fanfare-cursor')).toBe(header(first, 'fanfare-cursor'))
    expect(header(first, 'idempotent-replayed')).toBeUndefined()
    expect(header(again, 'idempotent-replayed')).toBe('true')
    expect(await countOf(port, 'keys/a')).toBe(1)
  })

  it.each([
    ['other data', 'y', []],
    ['another type', 'x', [['Content-Type', 'text/html']]],
    ['another event', 'x', [['Fanfare-Event', 'e']]],
    ['another id', 'x', [['Fanfare-Id', 'i']]],
  ] as const)('used again with %s gets 409', async (what, body, headers) => {
    const channel = `keys/${what.replaceAll(' ', '-')}`
    await publish(port, channel, 'x', [['Idempotency-Key', 'k']])
    await expectRefusal(port, keyed(channel, body, 'k', headers), 409, 'idempotency-conflict')
    expect(await countOf(port, channel)).toBe(1)
  })

  it('counts for one channel', async () => {
    const one = await publish(port, 'keys/one', 'x', [['Idempotency-Key', 'same']])
    const two = await publish(port, 'keys/two', 'y', [['Idempotency-Key', 'same']])
    expect([one.offset, two.offset]).toEqual([1, 1])
  })

  it('of a refused publish stays free', async () => {
    await expectRefusal(port, keyed('keys/free', '{', 'k', json), 400, 'payload-malformed')
    await publish(port, 'keys/free', '{}', [['Idempotency-Key', 'k'], ...json])
  })

  it('of a publish under way makes the repeats wait for its answer', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, async () => await send(port, keyed('keys/race', 'x', 'k'))))
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]))
    expect(new Set(answers.map(({ body }) => (JSON.parse(body.toString()) as PublishAnswer).offset))).toEqual(new Set([1]))
    expect(answers.filter((answer) => header(answer, 'idempotent-replayed') === undefined)).toHaveLength(1)
    expect(await countOf(port, 'keys/race')).toBe(1)
  })

  it('of two different publishes at once: one gets 201, the others 409', async () => {
    const answers = await Promise.all(
      Array.from({ length: 10 }, async (_, index) => await send(port, keyed('keys/clash', `body ${index}`, 'k'))),
    )
    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array.from({ length: 9 }, () => 409)])
    expect(await countOf(port, 'keys/clash')).toBe(1)
  })
})

describe('requests on one connection', () => {
  it('are answered in their order, refused ones too', async () => {
    const connection = await openRaw(port)
    const requests = [
      post('pipelined', 'one'),
      post('pipelined', '{', json),
      post('pipelined', 'two'),
      { path: '/nowhere' },
      { path: '/channels/pipelined?since=earliest' },
    ]
    connection.send(Buffer.concat(requests.map((request) => requestBytes(port, request))))
    const statuses: number[] = []
    for (const request of requests) statuses.push((await readAnswer(connection, request.method ?? 'GET')).status)
    expect(statuses).toEqual([201, 400, 201, 404, 200])
  })

  it('bodies of 1 MiB that are refused leave the server answering', async () => {
    await Promise.all(
      Array.from({ length: 16 }, async () => await expectRefusal(port, post('flood', Buffer.alloc(MiB)), 413, 'payload-too-large')),
    )
    expect(await countOf(port, 'flood')).toBe(0)
  })
})
