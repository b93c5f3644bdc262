import type { Payload } from './stand.ts'

const json = (text: string): Payload => ({ type: 'application/json', body: Buffer.from(text) })
const text = (text: string): Payload => ({ type: 'text/plain', body: Buffer.from(text) })
const bytes = (body: Buffer): Payload => ({ type: 'application/octet-stream', body })

const payloadBytes = 65_536

/** Texts that mean something to HTML, scripts, event streams, multipart or JSON. */
export const nastyTexts: readonly string[] = [
  '</script><script>parent.foreign(1)</script>',
  '</ScRiPt ><script>foreign(2)</script>',
  '<!--<script>',
  '--><script>foreign(3)</script>',
  ']]><img src=x onerror="foreign(4)">',
  '"+foreign(5)+"',
  "');foreign(6);//",
  '\\"));foreign(7);((\\"',
  '\u2028foreign(8)\u2029',
  '\0<\0/script>\0',
  '&lt;/script&gt;&#60;script&#62;',
  'data: x\n\nid: y\nevent: z\n\n',
  '\r\n--fanfare-part-5Yw0bXq8--\r\n',
  '--fanfare-part-5Yw0bXq8\r\nFanfare-Cursor: x\r\n\r\n',
  '{"cursor":"x"}\n{"gap":{}}\n',
  '\ufeffa\rb\r\nc\n\td ',
  'é 漢 𝄞 \u{10ffff} \ufffe',
  '',
]

/** One of each kind that is hard to carry; CONTRACT section 4 says how each arrives. */
export const corpus: readonly Payload[] = [
  ...nastyTexts.map(text),
  ...nastyTexts.map((nasty) => json(JSON.stringify({ [nasty]: nasty }))),
  json('"\\ud800 \\udc00\\ud800 \\u0000 \\u2028 \\/"'),
  json('{"__proto__":{"a":1},"__proto__":2,"\\u005f_proto__":[{"__proto__":null}]}'),
  json('[1e400,-0,12345678901234567890,1.0E+2,null,true]'),
  json('{ "spaces" : [ 1 , 2 ] }'),
  json(`"${'</script>'.repeat(7281)}"`),
  text(`${'\u2028<é'.repeat(10_922)}<!--`),
  bytes(Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))),
  bytes(Buffer.from('\xff\r\n--fanfare-part-5Yw0bXq8\r\n\xff', 'latin1')),
  bytes(Buffer.from(Array.from({ length: payloadBytes }, (_, index) => (index * 131 + (index >> 8)) % 256))),
]

/** So many payloads: the corpus again and again, with numbers between. */
export function payloads(count: number): readonly Payload[] {
  return Array.from(
    { length: count },
    (_, index) => (index % 4 === 0 ? undefined : corpus[index % corpus.length]) ?? json(`{"n":${index}}`),
  )
}
