import { runInNewContext } from 'node:vm'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { frameCall, jsonpCall } from '../support/eight.ts'
import { poll, publish } from '../support/problems.ts'
import type { Envelope } from '../support/problems.ts'
import { closeRaw, openRaw } from '../support/raw-client.ts'
import { header, readChunk, readHead, requestBytes, parseHead, send } from '../support/raw-http.ts'
import { opcodes, openWebSocket, text } from '../support/raw-websocket.ts'
import { openSse } from '../support/sse-client.ts'
import { startServer } from '../support/start-server.ts'
import type { TestServer } from '../support/start-server.ts'

// Payloads arrive as they were, on every transport, whichever way they came in (CONTRACT sections 3 and 4).

let server: TestServer
let port: number
let channels = 0

beforeAll(async () => {
  server = await startServer({ transports: 'all' })
  port = server.port
})
afterAll(async () => await server.close())
afterEach(closeRaw)

/** Transports that carry the publication as JSON: each gives the bytes of the first one that the channel keeps, as text. */
const envelopes: readonly (readonly [string, (channel: string) => Promise<string>])[] = [
  ['poll', async (channel) => firstOfPoll((await send(port, { path: `/channels/${channel}?since=earliest` })).body.toString())],
  ['long-poll', async (channel) => firstOfPoll((await send(port, { path: `/channels/${channel}?since=earliest&wait=5` })).body.toString())],
  [
    'sse with envelopes',
    async (channel) => {
      const events = await openSse(port, `/channels/${channel}?since=earliest&envelope=1`)
      expect((await events.next()).event).toBe('fanfare.ready')
      return (await events.next()).data
    },
  ],
  [
    'websocket with envelopes',
    async (channel) => {
      const socket = await openWebSocket(port, `/channels/${channel}?since=earliest&envelope=1`)
      expect(await socket.readJson()).toEqual({ cursor: expect.any(String) as unknown })
      return (await socket.readMessage()).payload.toString()
    },
  ],
  [
    'stream',
    async (channel) => {
      const body = await openBody(`/channels/${channel}?since=earliest&transport=stream`)
      return await body.until(/^\{"cursor":"[^"]+"\}\n([^\n]*)\n/)
    },
  ],
  [
    'multipart with envelopes',
    async (channel) => {
      const body = await openBody(`/channels/${channel}?since=earliest&transport=multipart&envelope=1`)
      return (await body.part()).payload.toString()
    },
  ],
  [
    'fanfare.v1',
    async (channel) => {
      const socket = await openWebSocket(port, '/connect')
      await socket.readMessage()
      socket.send(text(JSON.stringify({ id: 1, subscribe: { channel, since: 'earliest' } })))
      await socket.readMessage()
      return (await socket.readMessage()).payload.toString()
    },
  ],
  [
    'history of fanfare.v1',
    async (channel) => {
      const socket = await openWebSocket(port, '/connect')
      await socket.readMessage()
      socket.send(text(JSON.stringify({ id: 1, history: { channel, since: 'earliest' } })))
      const reply = (await socket.readMessage()).payload.toString()
      return firstOfPoll(reply.slice(reply.indexOf('"ok":') + 5, -1))
    },
  ],
]

/** The only publication of a poll's answer, as it stands there. */
function firstOfPoll(answer: string): string {
  expect((JSON.parse(answer) as { publications: unknown[] }).publications).toHaveLength(1)
  const found = /"publications":\[(.*)\],"(?:more|gaps|cursor)":/s.exec(answer)
  expect(found).not.toBeNull()
  return found?.[1] ?? ''
}

/** The payload of the only publication over a plain event stream. */
async function overSse(channel: string): Promise<string> {
  const events = await openSse(port, `/channels/${channel}?since=earliest`)
  expect((await events.next()).event).toBe('fanfare.ready')
  return (await events.next()).data
}

/** What a page is called with over a script, as a browser would make it of its source; and the source. */
async function overScripts(channel: string): Promise<readonly { readonly data: unknown; readonly source: string }[]> {
  const path = `/channels/${channel}?since=earliest&callback=cb`
  const source = await jsonpCall(port, `${path}&transport=jsonp`)
  const frame = await frameCall(port, `${path}&transport=iframe`, [], 1)
  const [first] = (evaluated(source) as { publications: { data: unknown }[] }).publications
  return [
    { data: first?.data, source },
    { data: (evaluated(frame) as { data: unknown }).data, source: frame },
  ]
}

/** The value of an expression, in a realm of its own: by a script engine, for JSON.parse would not see what only scripts mind. */
function evaluated(expression: string): unknown {
  return structuredClone(runInNewContext(`(${expression})`))
}

/** The payload of the only publication as a part, with the part's labels. */
async function overMultipart(channel: string): Promise<{ readonly type: string | undefined; readonly payload: Buffer }> {
  const body = await openBody(`/channels/${channel}?since=earliest&transport=multipart`)
  return await body.part()
}

/** The body of an answer without end, as it comes. */
async function openBody(path: string) {
  const connection = await openRaw(port)
  connection.send(requestBytes(port, { path }))
  const head = await readHead(connection)
  expect(head.status).toBe(200)
  let came: Buffer = Buffer.alloc(0)
  const more = async (): Promise<void> => void (came = Buffer.concat([came, await readChunk(connection)]))
  return {
    /** What the pattern captures, once it is there. */
    async until(pattern: RegExp): Promise<string> {
      for (;;) {
        const found = pattern.exec(came.toString())
        if (found?.[1] !== undefined) return found[1]
        await more()
      }
    },
    /** The second part, read by its length: the first carries the cursor. */
    async part(): Promise<{ readonly type: string | undefined; readonly payload: Buffer }> {
      for (;;) {
        const second = came.indexOf('Content-Type: ')
        const end = second < 0 ? -1 : came.indexOf('\r\n\r\n', second)
        if (end >= 0) {
          const fields = parseHead(`HTTP/1.1 200 OK\r\n${came.toString('latin1', second, end)}`)
          const payload = came.subarray(end + 4, end + 4 + Number(header(fields, 'content-length')))
          const coded = header(fields, 'content-transfer-encoding') === 'base64'
          const type = header(fields, 'content-type')
          if (payload.length === Number(header(fields, 'content-length')))
            return { type, payload: coded ? Buffer.from(payload.toString('latin1'), 'base64') : payload }
        }
        await more()
      }
    },
  }
}

async function overWebSocket(channel: string): Promise<{ opcode: number; payload: Buffer }> {
  return await (await openWebSocket(port, `/channels/${channel}?since=earliest`)).readMessage()
}

const nextChannel = (): string => `payloads/${++channels}`

describe('text arrives as it was', () => {
  const texts: readonly (readonly [string, string])[] = [
    ['empty', ''],
    ['a line end', 'a\nb'],
    ['line ends at both ends', '\n\na\n\n'],
    ['nothing but a line end', '\n'],
    ['carriage returns', 'a\rb\r\nc\n\rd\r'],
    ['NUL', 'a\0b\0'],
    ['all control characters', Array.from({ length: 32 }, (_, code) => String.fromCharCode(code)).join('') + '\u007f\u0080\u009f'],
    ['line and paragraph separators', 'a\u2028b\u2029c\u0085d'],
    ['a byte order mark', '\uFEFFa\uFEFF'],
    ['what looks like fields of SSE', 'data: x\nid: 5\nevent: open\nretry: 1\n\n: comment\n'],
    ['a space and a colon first', ' : a'],
    ['quotes and backslashes', '"a" \\ \\n \\u0000 </script> <!-- ]]>'],
    ['what would end a script, or hide its end', `</script><script>alert(1)</script><!--<script>'&amp;--></SCRIPT >\\u003c/script>`],
    ['what would end a part', '\r\n--fanfare-part-5Yw0bXq8--\r\n\r\nFanfare-Gap: deleted'],
    ['characters of every length', 'é€😀\u{10FFFF}\uFFFF'],
    ['what looks like JSON', '{"a":1e400,\n"b":[]}'],
    ['64 KiB of lines', 'line of text\n'.repeat(5_041).slice(0, 65_536)],
    ['64 KiB of characters of 4 bytes', '😀'.repeat(16_384)],
    ['64 KiB of line ends', '\n'.repeat(65_536)],
    ['64 KiB of NUL', '\0'.repeat(65_536)],
    ['64 KiB of quotes', '"'.repeat(65_536)],
  ]

  it.each(texts)('%s', async (_what, value) => {
    const channel = nextChannel()
    await publish(port, channel, value, [['Content-Type', 'text/plain; charset=utf-8']])
    for (const [transport, read] of envelopes) {
      const { data, type, encoding } = JSON.parse(await read(channel)) as Envelope
      expect({ transport, same: data === value, type, encoding }).toEqual({
        transport,
        same: true,
        type: 'text/plain',
        encoding: undefined,
      })
    }
    // CR and CRLF become LF on plain SSE, which can't tell them apart; a browser takes a BOM only at the stream's very begin.
    expect(await overSse(channel)).toBe(value.replace(/\r\n?/g, '\n'))
    const message = await overWebSocket(channel)
    expect([message.opcode, message.payload.toString('hex') === Buffer.from(value).toString('hex')]).toEqual([opcodes.text, true])
    const part = await overMultipart(channel)
    expect([part.type, part.payload.equals(Buffer.from(value))]).toEqual(['text/plain; charset=utf-8', true])
    for (const { data, source } of await overScripts(channel)) {
      expect(data === value).toBe(true)
      expect(source).not.toMatch(/[<>&\u2028\u2029]/)
    }
  })

  it('that a WebSocket published too', async () => {
    for (const [, value] of texts) {
      const channel = nextChannel()
      const socket = await openWebSocket(port, `/channels/${channel}`)
      socket.send(text(value))
      expect((await socket.readMessage()).payload.equals(Buffer.from(value))).toBe(true)
      expect((await poll(port, `/channels/${channel}?since=earliest`)).publications[0]?.data).toBe(value)
      socket.connection.close()
    }
  })
})

describe('bytes arrive as they were', () => {
  const every = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))

  it.each([
    ['empty', Buffer.alloc(0)],
    ['one', Buffer.of(0)],
    ['two', Buffer.of(255, 0)],
    ['every byte', every],
    ['every byte and one more', Buffer.concat([every, Buffer.of(7)])],
    ['64 KiB of every byte', Buffer.alloc(65_536, every)],
    ['64 KiB of 255', Buffer.alloc(65_536, 255)],
  ])('%s', async (_what, value) => {
    const channel = nextChannel()
    await publish(port, channel, value, [['Content-Type', 'image/png']])
    for (const [transport, read] of envelopes) {
      const { data, type, encoding } = JSON.parse(await read(channel)) as Envelope
      expect({ transport, same: data === value.toString('base64'), type, encoding }).toEqual({
        transport,
        same: true,
        type: 'image/png',
        encoding: 'base64',
      })
    }
    expect(await overSse(channel)).toBe(value.toString('base64'))
    const message = await overWebSocket(channel)
    expect([message.opcode, message.payload.equals(value)]).toEqual([opcodes.binary, true])
    const part = await overMultipart(channel)
    expect([part.type, part.payload.equals(value)]).toEqual(['image/png', true])
    for (const { data } of await overScripts(channel)) expect(data === value.toString('base64')).toBe(true)
  })

  it('in base64 by a batch and by fanfare.v1 too', async () => {
    const item = { channel: nextChannel(), data: every.toString('base64'), encoding: 'base64', type: 'application/x-test' }
    await send(port, { method: 'POST', path: '/publish', headers: [['Content-Type', 'application/json']], body: JSON.stringify([item]) })
    expect((await overWebSocket(item.channel)).payload.equals(every)).toBe(true)
    const other = { ...item, channel: nextChannel() }
    const socket = await openWebSocket(port, '/connect')
    socket.send(text(JSON.stringify({ id: 1, publish: other })))
    await socket.readMessage()
    expect(await socket.readJson()).toMatchObject({ id: 1, ok: { offset: 1 } })
    expect((await overWebSocket(other.channel)).payload.equals(every)).toBe(true)
  })
})

describe('JSON arrives as it was written, token for token', () => {
  const documents: readonly (readonly [string, string])[] = [
    ['a number beyond all doubles', '1e400'],
    ['a small one', '-1E-400'],
    ['20 digits', '12345678901234567890'],
    ['20 digits behind the point', '0.12345678901234567891'],
    ['numbers that are written at length', '[1.0,1.50,-0,0.0e0,1E+2,100]'],
    ['half a surrogate pair', '"\\ud800"'],
    ['the halves the wrong way round', '["\\udc00\\ud800"]'],
    ['escapes that need not be', '"\\u0041\\/\\u00e9\\u2028\\u0000"'],
    ['separators unescaped', '"a\u2028b\u2029c"'],
    ['members twice', '{"a":1,"a":2}'],
    ['members in their order', '{"b":1,"a":2,"10":3,"9":4}'],
    ['a member of the prototype', '{"__proto__":{"polluted":true},"constructor":1}'],
    ['white space', '{ "a" :\t[ 1 , 2 ] }'],
    ['a long string', `"${'x'.repeat(65_534)}"`],
    ['true', 'true'],
    ['null', 'null'],
    ['an empty string', '""'],
    ['nothing in it', '[[],{},""]'],
    ['what a page would run', '"</script><script>alert(1)</script>"'],
  ]

  async function expectTokens(channel: string, written: string): Promise<void> {
    for (const [transport, read] of envelopes) {
      const envelope = await read(channel)
      expect({ transport, has: envelope.includes(`"data":${written}`) }).toEqual({ transport, has: true })
      expect(envelope).not.toMatch(/"(type|encoding)":/)
    }
    expect(await overSse(channel)).toBe(written)
    const message = await overWebSocket(channel)
    expect([message.opcode, message.payload.toString()]).toEqual([opcodes.text, written])
    const part = await overMultipart(channel)
    expect([part.type, part.payload.toString()]).toEqual(['application/json', written])
    for (const { data, source } of await overScripts(channel)) {
      expect(JSON.stringify(data)).toBe(JSON.stringify(JSON.parse(written)))
      expect(source).not.toMatch(/[<>&'\u2028\u2029]/)
    }
  }

  it.each(documents)('%s', async (_what, written) => {
    const channel = nextChannel()
    await publish(port, channel, written, [['Content-Type', 'application/json']])
    await expectTokens(channel, written)
  })

  it.each(documents)('%s, by a batch, by lines and by fanfare.v1', async (_what, written) => {
    const ways = ['application/json', 'application/x-ndjson', 'fanfare.v1']
    for (const way of ways) {
      const channel = nextChannel()
      const item = `{"channel":"${channel}","data":${written}}`
      if (way === 'fanfare.v1') {
        const socket = await openWebSocket(port, '/connect')
        await socket.readMessage()
        socket.send(text(`{"id":1,"publish":${item}}`))
        expect(await socket.readJson()).toMatchObject({ id: 1, ok: { offset: 1 } })
      } else {
        const body = way === 'application/json' ? `[${item}]` : `${item}\n`
        expect((await send(port, { method: 'POST', path: '/publish', headers: [['Content-Type', way]], body })).status).toBe(200)
      }
      await expectTokens(channel, written)
    }
  })

  it('but for line ends between its tokens, which may become spaces; those in strings stay escaped', async () => {
    const channel = nextChannel()
    const written = '{\n  "a": [\r\n1,\r2\n],\n"b":"x\\ny"\n}\n'
    await publish(port, channel, written, [['Content-Type', 'application/json']])
    const loose = (json: string): string => json.replace(/[ \r\n]/g, '')
    for (const [transport, read] of envelopes) {
      const envelope = await read(channel)
      expect({ transport, has: loose(envelope).includes(`"data":${loose(written)}`) }).toEqual({ transport, has: true })
      expect(JSON.parse(envelope)).toMatchObject({ data: { a: [1, 2], b: 'x\ny' } })
    }
    expect(JSON.parse(await overSse(channel))).toEqual({ a: [1, 2], b: 'x\ny' })
  })
})

describe('event, id and type arrive as they were', () => {
  it.each(['price', 'a b', 'café 😀', '100%', 'a:b', 'message', '{"a":1}'])('%s', async (name) => {
    const channel = nextChannel()
    const encoded = encodeURIComponent(name)
    await publish(port, channel, 'x', [
      ['Fanfare-Event', encoded],
      ['Fanfare-Id', encoded],
      ['Content-Type', 'text/html'],
    ])
    for (const [transport, read] of envelopes) {
      const { event, id, type } = JSON.parse(await read(channel)) as Envelope
      expect({ transport, event, id, type }).toEqual({ transport, event: name, id: name, type: 'text/html' })
    }
    const events = await openSse(port, `/channels/${channel}?since=earliest`)
    await events.next()
    expect(await events.next()).toMatchObject({ event: name, data: 'x' })
  })
})
