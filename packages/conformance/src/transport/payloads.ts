import { createHash } from 'node:crypto'
import { multipartBoundary } from '@fanfare/wire'
import { expect } from '../expect.ts'
import type { ReceiverRow } from '../receivers/receiver.ts'
import { check } from './check.ts'
import type { Check } from './check.ts'

interface Payload {
  readonly what: string
  readonly type: string | undefined
  readonly body: string | Uint8Array
  /** What is said instead where payloads go line by line, without an envelope. */
  readonly asLines?: string
  readonly binary?: boolean
}

const noise = Uint8Array.from({ length: 65_536 }, (_, index) => (index * 167 + (index >> 8)) & 0xff)

const payloads: readonly Payload[] = [
  {
    what: 'JSON that would break out of a script',
    type: 'application/json',
    body: `["</script><script>alert(1)</script>","<!--","-->","]]>","&lt;","'","\\\\","\\\\\\"</SCRIPT>","\\u2028\u2029"]`,
  },
  {
    what: 'JSON with names and values that mean more to a script',
    type: 'application/json',
    body: '{"__proto__":{"__proto__" : "__proto__"},"constructor":{"prototype":1},"":["\\ud800","\\udfff\\ud800","\\u0000"]}',
  },
  {
    what: 'text that would break out of a script, a part or a line',
    type: 'text/html',
    body: '</script ><!--<script>\r\n--fanfare\r\n\r\n{"cursor":"x"}\n{"gap":{}}\n]]>&amp;\0\u2028\ufeff',
    asLines: '</script ><!--<script>\n--fanfare\n\n{"cursor":"x"}\n{"gap":{}}\n]]>&amp;\0\u2028\ufeff',
  },
  {
    what: 'text with the delimiter of parts',
    type: 'text/plain',
    body: `\r\n--${multipartBoundary}--\r\n`,
    asLines: `\n--${multipartBoundary}--\n`,
  },
  {
    what: 'JSON with numbers that no double holds',
    type: 'application/json',
    body: '{"big":12345678901234567890123,"tiny":1e-400,"huge":1e400,"again":1.0,"a":-0}',
  },
  {
    what: 'JSON with escapes as they were written',
    type: 'application/json',
    body: '["\\u0041\\u2028\\/","\u2028\u2029\u0085","\\ud83d\\ude00 \u{1f600}"]',
  },
  { what: 'JSON with the same name twice', type: 'application/json', body: '{"a":1,"a":2,"data":3,"cursor":"x"}' },
  { what: 'JSON that is no object', type: 'application/json', body: 'null' },
  {
    what: 'text with every line end, NUL and U+2028',
    type: 'text/plain',
    body: 'a\rb\nc\r\nd\0e\u2028f\u2029g\u0085h\n',
    asLines: 'a\nb\nc\nd\0e\u2028f\u2029g\u0085h\n',
  },
  { what: 'text that looks like events', type: 'text/plain', body: 'data: x\n\nid: 1\nevent: y\n: z' },
  { what: 'text that begins with spaces and a byte order mark', type: 'text/plain', body: ' \uFEFF leading' },
  { what: 'text that says nothing of its type', type: undefined, body: 'plain ☃ "quoted" \\ back' },
  { what: 'empty text', type: 'text/plain', body: '' },
  {
    what: 'bytes, 64 KiB of them',
    type: 'application/octet-stream',
    body: noise,
    asLines: Buffer.from(noise).toString('base64'),
    binary: true,
  },
  {
    what: 'few bytes',
    type: 'image/x-nothing',
    body: Uint8Array.of(0, 13, 10, 255, 254),
    asLines: Buffer.from([0, 13, 10, 255, 254]).toString('base64'),
    binary: true,
  },
]

/** Payloads arrive as they were (CONTRACT sections 3 and 4). */
export function payloadChecks(receivers: readonly ReceiverRow[]): readonly Check[] {
  return receivers.flatMap((row) => payloads.map((payload) => carries(row, payload)))
}

function carries(row: ReceiverRow, { what, type, body, asLines, binary = false }: Payload): Check {
  return check(row, 'payloads', `carries ${what}`, async (bed) => {
    const channel = bed.channel()
    const headers = { 'fanfare-event': 'pr%C3%AFx', 'fanfare-id': 'own%20id', ...(type === undefined ? {} : { 'content-type': type }) }
    const live = bed.take(row, { channels: [channel], since: 'earliest' })
    await bed.publisher.publish(channel, body, headers)
    const late = bed.take(row, { channels: [channel], since: 'earliest' })
    const lines = !row.carriesEnvelope && row.carriesCursor
    const asScript = row.comesInScripts === true && type === 'application/json' && typeof body === 'string' ? inScript(body) : undefined
    const expected = Buffer.from((lines ? asLines : asScript) ?? body)
    const labels = labelsOf(row, type, binary)
    for (const taker of [live, late]) {
      await taker.publicationCount(1)
      expect(taker.end).toBeUndefined()
      const [publication] = taker.publications
      expect(described(publication?.data)).toEqual(described(expected))
      expect(publication).toMatchObject(labels)
      taker.cut()
    }
  })
}

/** Means the same, and shows nothing to the markup around it. */
function inScript(json: string): string {
  return json.replace(/[<>&'\u2028\u2029]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** What a transport says of a payload besides its bytes. */
function labelsOf(row: ReceiverRow, type: string | undefined, binary: boolean): object {
  const media = type === undefined || type === 'application/json' ? {} : { type }
  if (row.carriesEnvelope) return { event: 'prïx', id: 'own id', ...media }
  return row.carriesCursor ? { event: 'prïx' } : { type: binary ? 'binary' : 'text' }
}

/** Short where it is equal, and readable where it is not. */
function described(data: Uint8Array = new Uint8Array(0)): object {
  return {
    length: data.length,
    hash: createHash('sha256').update(data).digest('hex'),
    begin: Buffer.from(data.subarray(0, 200)).toString('latin1'),
  }
}
