import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { countOf, expectProblem, expectRefusal, poll } from '../support/problems.ts'
import type { PublishAnswer } from '../support/problems.ts'
import { closeRaw } from '../support/raw-client.ts'
import { header, send } from '../support/raw-http.ts'
import type { Answer, RawRequest } from '../support/raw-http.ts'
import { startServer } from '../support/start-server.ts'
import type { TestServer } from '../support/start-server.ts'

// POST /publish and POST /subscribe (CONTRACT section 2): what is wrong with the whole, and what is wrong with one item.

const MiB = 1024 * 1024
let server: TestServer
let port: number

beforeAll(async () => {
  server = await startServer()
  port = server.port
})
afterAll(async () => await server.close())
afterEach(closeRaw)

type Result = Partial<PublishAnswer> & { readonly error?: { readonly code: string; readonly message: string } }
type Headers = NonNullable<RawRequest['headers']>

async function batch(body: string | Uint8Array, query = '', headers: Headers = [['Content-Type', 'application/json']]): Promise<Answer> {
  return await send(port, { method: 'POST', path: `/publish${query}`, headers, body })
}

async function results(items: unknown, query = ''): Promise<readonly Result[]> {
  const answer = await batch(typeof items === 'string' ? items : JSON.stringify(items), query)
  expect({ status: answer.status, body: answer.body.toString().slice(0, 300) }).toMatchObject({ status: 200 })
  return JSON.parse(answer.body.toString()) as Result[]
}

/** Items that fail, as they stand in the array, with their code. */
const badItems: readonly (readonly [string, string, string | undefined])[] = [
  ['a number', '5', undefined],
  ['null', 'null', undefined],
  ['a string', '"x"', undefined],
  ['an array', '[]', undefined],
  ['an empty object', '{}', 'channel-name-invalid'],
  ['no channel', '{"data":1}', 'channel-name-invalid'],
  ['a channel that is a number', '{"channel":5,"data":1}', 'channel-name-invalid'],
  ['a bad channel', '{"channel":"a//b","data":1}', 'channel-name-invalid'],
  ['a channel that would need decoding', '{"channel":"a%2Fb","data":1}', 'channel-name-invalid'],
  ['a channel with NUL', '{"channel":"a\\u0000","data":1}', 'channel-name-invalid'],
  ['a channel with half a surrogate pair', '{"channel":"a\\ud800","data":1}', 'channel-name-invalid'],
  ['a reserved channel', '{"channel":"$x","data":1}', 'channel-reserved'],
  ['no data', '{"channel":"items"}', 'payload-malformed'],
  ['a bad event', '{"channel":"items","data":1,"event":"open"}', 'event-name-invalid'],
  ['an event that is a number', '{"channel":"items","data":1,"event":5}', undefined],
  ['an event with a line end', '{"channel":"items","data":1,"event":"a\\nb"}', 'event-name-invalid'],
  ['an id that is an object', '{"channel":"items","data":1,"id":{}}', 'parameter-invalid'],
  ['a key that is a number', '{"channel":"items","data":1,"key":5}', 'parameter-invalid'],
  ['a key of 256 bytes', `{"channel":"items","data":1,"key":"${'k'.repeat(256)}"}`, 'parameter-invalid'],
  ['an unknown encoding', '{"channel":"items","data":"x","encoding":"hex"}', 'parameter-invalid'],
  ['data that is no base64', '{"channel":"items","data":"x!","encoding":"base64"}', 'payload-malformed'],
  ['base64 that is no string', '{"channel":"items","data":5,"encoding":"base64"}', 'payload-malformed'],
  ['a type that is none', '{"channel":"items","data":"x","type":"nonsense"}', undefined],
  ['another charset', '{"channel":"items","data":"x","type":"text/plain; charset=latin1"}', 'media-type-unsupported'],
  ['text that is no string', '{"channel":"items","data":5,"type":"text/plain"}', 'payload-malformed'],
  ['data over the limit', `{"channel":"items","data":"${'x'.repeat(65_537)}"}`, 'payload-too-large'],
]

describe('a bad item', () => {
  it.each(badItems)('%s fails alone, in its place', async (what, item, code) => {
    const good = `{"channel":"good/${what.replaceAll(' ', '-')}","data":1}`
    const [first, wrong, third, ...none] = await results(`[${good},${item},${good}]`)
    expect([first?.offset, third?.offset, none]).toEqual([1, 2, []])
    expect(wrong?.error?.code).toMatch(/^[a-z-]+$/)
    if (code !== undefined) expect(wrong?.error?.code).toBe(code)
    expect(wrong?.error?.message).toMatch(/./)
    expect(wrong?.offset).toBeUndefined()
    expect(await countOf(port, 'items')).toBe(0)
  })

  it.each(badItems)('%s fails the whole of ?atomic=1, which names its index and stores nothing', async (what, item, code) => {
    const channel = `atomic/${what.replaceAll(' ', '-')}`
    const answer = await batch(`[{"channel":"${channel}","data":1},${item},{"channel":"${channel}","data":2}]`, '?atomic=1')
    expect(answer.status).toBeGreaterThanOrEqual(400)
    const problem = expectProblem(answer, answer.status, code)
    expect(problem['index']).toBe(1)
    expect(await countOf(port, channel)).toBe(0)
  })
})

describe('a bad batch', () => {
  it.each([
    ['{}'],
    ['{"channel":"a","data":1}'],
    ['5'],
    ['null'],
    ['"x"'],
    [''],
    ['['],
    ['[{"channel":"a","data":1}'],
    ['[{"channel":"a","data":1},]'],
    ['[{"channel":"a","data":1}]x'],
    ['[{"channel":"a","data":01}]'],
  ])('that is no JSON array gets 400: %s', async (body) => {
    for (const query of ['', '?atomic=1']) expectProblem(await batch(body, query), 400)
    expect(await countOf(port, 'a')).toBe(0)
  })

  it('that is not UTF-8 gets 400', async () => {
    expectProblem(await batch(Buffer.from('[{"channel":"a","data":"\xff"}]', 'latin1')), 400)
    expect(await countOf(port, 'a')).toBe(0)
  })

  it.each([['text/plain'], ['application/xml'], ['application/json; charset=utf-16'], ['multipart/form-data; boundary=x']])(
    'of the media type %s gets 415',
    async (type) => {
      expectProblem(await batch('[{"channel":"a","data":1}]', '', [['Content-Type', type]]), 415, 'media-type-unsupported')
      expect(await countOf(port, 'a')).toBe(0)
    },
  )

  it.each([['yes'], ['2'], ['']])('with ?atomic=%s gets 400', async (value) => {
    expectProblem(await batch('[]', `?atomic=${value}`), 400, 'parameter-invalid')
  })

  it('of 10,001 items gets 413 and nothing is stored; 10,000 pass', async () => {
    const items = (count: number) => Array.from({ length: count }, () => ({ channel: 'many', data: 1 }))
    for (const query of ['', '?atomic=1']) expectProblem(await batch(JSON.stringify(items(10_001)), query), 413, 'body-too-large')
    const lines = items(10_001)
      .map((item) => JSON.stringify(item))
      .join('\n')
    expectProblem(await batch(lines, '', [['Content-Type', 'application/x-ndjson']]), 413, 'body-too-large')
    expect(await countOf(port, 'many')).toBe(0)
    const answers = await results(items(10_000))
    expect(answers.map(({ offset }) => offset)).toEqual(Array.from({ length: 10_000 }, (_, index) => index + 1))
  })

  it('of more than 4 MiB gets 413 and nothing is stored', async () => {
    const item = JSON.stringify({ channel: 'heavy', data: 'x'.repeat(60_000) })
    const body = `[${Array.from({ length: 72 }, () => item).join(',')}]`
    expect(body.length).toBeGreaterThan(4 * MiB)
    expectProblem(await batch(body), 413, 'body-too-large')
    expect(await countOf(port, 'heavy')).toBe(0)
    const padded = `[${' '.repeat(4 * MiB - 2 - item.length)}${item}]`
    expect(padded).toHaveLength(4 * MiB)
    expect((await batch(padded)).status).toBe(200)
    expectProblem(await batch(`${padded} `), 413, 'body-too-large')
    expect(await countOf(port, 'heavy')).toBe(1)
  })

  it('that is empty gets an empty answer', async () => {
    expect(await results([])).toEqual([])
    expect(await results([], '?atomic=1')).toEqual([])
  })
})

describe('NDJSON', () => {
  const ndjson: Headers = [['Content-Type', 'application/x-ndjson']]

  it('with a bad line fails that line alone', async () => {
    const good = '{"channel":"lines","data":1}'
    for (const end of ['\n', '\r\n']) {
      const answer = await batch([good, '{"channel":', good, 'nonsense', '[]', good, ''].join(end), '', ndjson)
      expect(answer.status).toBe(200)
      const parsed = JSON.parse(answer.body.toString()) as Result[]
      expect(parsed.map(({ error }) => error === undefined)).toEqual([true, false, true, false, false, true])
    }
    expect(await countOf(port, 'lines')).toBe(6)
  })

  it('with a bad line fails as a whole with ?atomic=1, naming its index', async () => {
    const answer = await batch('{"channel":"lines/atomic","data":1}\n{"channel"\n', '?atomic=1', ndjson)
    expect(expectProblem(answer, 400)['index']).toBe(1)
    expect(await countOf(port, 'lines/atomic')).toBe(0)
  })

  it('needs no line end behind the last line', async () => {
    const answer = await batch('{"channel":"lines/last","data":1}\n{"channel":"lines/last","data":2}', '', ndjson)
    expect((JSON.parse(answer.body.toString()) as Result[]).map(({ offset }) => offset)).toEqual([1, 2])
  })
})

describe('keys and order of a batch', () => {
  const keyed: Headers = [
    ['Content-Type', 'application/json'],
    ['Idempotency-Key', 'whole'],
  ]
  const body = '[{"channel":"whole","data":1},{"channel":"a//b","data":1},{"channel":"whole","data":2}]'

  it('a header key covers the whole request: the same answer again, and nothing stored twice', async () => {
    const first = await batch(body, '', keyed)
    const again = await batch(body, '', keyed)
    expect([first.status, again.status]).toEqual([200, 200])
    expect(again.body.toString()).toBe(first.body.toString())
    expect([header(first, 'idempotent-replayed'), header(again, 'idempotent-replayed')]).toEqual([undefined, 'true'])
    expect(await countOf(port, 'whole')).toBe(2)
  })

  it('with another body it gets 409', async () => {
    expectProblem(await batch('[{"channel":"whole","data":3}]', '', keyed), 409, 'idempotency-conflict')
  })

  it.each([
    [
      'another item that is refused for its name',
      '[{"channel":"whole","data":1},{"channel":"a///b","data":1},{"channel":"whole","data":2}]',
    ],
    ['another item that is refused for its form', '[{"channel":"whole","data":1},{"channel":"whole"},{"channel":"whole","data":2}]'],
    ['the good items alone', '[{"channel":"whole","data":1},{"channel":"whole","data":2}]'],
  ])('with %s it is another body', async (_what, other) => {
    expectProblem(await batch(other, '', keyed), 409, 'idempotency-conflict')
    const refused = keyed.map(([name, value]) => [name, name === 'Idempotency-Key' ? 'refused' : value] as const)
    expect((await batch('[{"channel":"whole","data":1},{"channel":"*","data":7},7]', '', refused)).status).toBe(200)
    expectProblem(await batch('[{"channel":"whole","data":1},{"channel":"*","data":7},8]', '', refused), 409, 'idempotency-conflict')
  })

  it('in a name space of its own: a single publish with the same key is another', async () => {
    const single = await send(port, { method: 'POST', path: '/channels/whole', headers: [['Idempotency-Key', 'whole']], body: 'x' })
    expect([single.status, header(single, 'idempotent-replayed')]).toEqual([201, undefined])
  })

  it('an item’s key counts as that of a single publish', async () => {
    const [first] = await results([{ channel: 'item-key', data: 1, key: 'k' }])
    const [again, other, conflict] = await results([
      { channel: 'item-key', data: 1, key: 'k' },
      { channel: 'item-key', data: 1, key: 'other' },
      { channel: 'item-key', data: 2, key: 'k' },
    ])
    expect(again).toEqual(first)
    expect(other?.offset).toBe(2)
    expect(conflict?.error?.code).toBe('idempotency-conflict')
    expect(await countOf(port, 'item-key')).toBe(2)
  })

  it('of ?atomic=1 are neighbours in the log, in their order', async () => {
    const items = Array.from({ length: 50 }, (_, index) => ({ channel: `order/${index % 3}`, data: index }))
    await Promise.all(Array.from({ length: 4 }, async () => await results(items, '?atomic=1')))
    const { publications } = await poll(port, '/subscribe?channel=order/0&channel=order/1&channel=order/2&since=earliest')
    expect(publications.map(({ data }) => data)).toEqual(Array.from({ length: 200 }, (_, index) => index % 50))
  })
})

describe('POST /subscribe', () => {
  const subscribe = (body: string | Uint8Array, query = ''): RawRequest => ({
    method: 'POST',
    path: `/subscribe${query}`,
    headers: [['Content-Type', 'application/json']],
    body,
  })

  it.each([
    [''],
    ['{'],
    ['[]'],
    ['["a"]'],
    ['5'],
    ['null'],
    ['"a"'],
    ['{}'],
    ['{"channels":"a"}'],
    ['{"channels":{}}'],
    ['{"channels":null}'],
    ['{"channels":[]}'],
    ['{"channels":[5]}'],
    ['{"channels":[null]}'],
    ['{"channels":[[]]}'],
    ['{"channels":[{}]}'],
    ['{"channels":[{"since":"earliest"}]}'],
    ['{"channels":[{"channel":5}]}'],
    ['{"channels":["a",""]}'],
    ['{"channels":["a//b"]}'],
    ['{"channels":["a"],"since":5}'],
    ['{"channels":["a"],"since":{}}'],
    ['{"channels":["a"],"since":""}'],
    ['{"channels":["a"],"since":"now"}'],
    ['{"channels":[{"channel":"a","since":"now"}]}'],
    ['{"channels":[{"channel":"a","since":5}]}'],
  ])('of the shape %s gets 400', async (body) => {
    for (const query of ['', '?transport=sse', '?wait=1']) expectProblem(await send(port, subscribe(body, query)), 400)
  })

  it('that is not UTF-8 gets 400', async () => {
    expectProblem(await send(port, subscribe(Buffer.from('{"channels":["\xff"]}', 'latin1'))), 400)
  })

  it('of a reserved channel gets 403', async () => {
    await expectRefusal(port, subscribe('{"channels":["a","$x"]}'), 403, 'channel-reserved')
  })

  it('takes 64 channels and not 65, by body and by query', async () => {
    const names = (count: number) => Array.from({ length: count }, (_, index) => `c${index}`)
    const query = (count: number) =>
      `/subscribe?${names(count)
        .map((name) => `channel=${name}`)
        .join('&')}`
    expect((await send(port, subscribe(JSON.stringify({ channels: names(64) })))).status).toBe(200)
    expect((await send(port, { path: query(64) })).status).toBe(200)
    await expectRefusal(port, subscribe(JSON.stringify({ channels: names(65) })), 400, 'parameter-invalid')
    await expectRefusal(port, { path: query(65) }, 400, 'parameter-invalid')
  })

  it('without any channel in the query gets 400', async () => {
    for (const path of ['/subscribe', '/subscribe?', '/subscribe?channel=', '/subscribe?since=earliest'])
      expectProblem(await send(port, { path }), 400)
  })

  it('of 10 MiB gets 413', async () => {
    expectProblem(await send(port, subscribe(`{"channels":["a"]${' '.repeat(10 * MiB)}}`)), 413, 'body-too-large')
  })

  it.each([
    ['application/json; charset=utf-8', 200],
    ['application/vnd.example+json', 200],
    ['text/plain;charset=UTF-8', 200],
    ['application/x-www-form-urlencoded', 200],
    ['', 200],
    ['application/xml', 415],
    ['multipart/form-data; boundary=x', 415],
  ])('of the type "%s" gets %i', async (type, status) => {
    const answer = await send(port, { ...subscribe('{"channels":["a"]}'), headers: [['Content-Type', type]] })
    expect(answer.status).toBe(status)
  })

  it('unknown members are passed over', async () => {
    const answer = await send(port, subscribe('{"channels":[{"channel":"a","later":1}],"__proto__":{"since":"now"},"later":true}'))
    expect(answer.status).toBe(200)
  })
})
