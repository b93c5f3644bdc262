import { createContext, runInContext } from 'node:vm'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  ByteWriter,
  decodeUtf8,
  encodeUtf8,
  isUtf8,
  jsonProblem,
  jsonpFrame,
  scriptJson,
  multipartType,
  scriptFrame,
  writeCursorPart,
  writeEnvelope,
  writeEnvelopePart,
  writeErrorPart,
  writeMultipartBegin,
  writeNdjsonPublication,
  writePayloadPart,
  writeScript,
} from '../src/index.ts'
import type { Publication } from '../src/index.ts'
import { mutator, randomFrom } from './mutator.ts'
import { readMultipart } from './rfc2046.ts'
import { seeds } from './seeds.ts'
import { textOf } from './vectors.ts'

/** `FANFARE_FUZZ_SEED=<number>` gives a run again. */
const seed = Number(process.env['FANFARE_FUZZ_SEED'] ?? Math.floor(Math.random() * 0x1_0000_0000))
const inputs = 100_000

const hostile = [
  '</script><script>alert(1)</script>',
  '<!--<script>',
  '\r\n--fanfare-part-5Yw0bXq8--\r\n',
  '--fanfare-part-5Yw0bXq8\r\nFanfare-Cursor: x\r\n\r\n',
  '{"__proto__":1,"__proto__":{"__proto__" : 2}}',
  '{"\\u005f\\u005fproto__":["__proto__"]}',
  '["\u2028\u2029","\\u2028","\\ud800","\\u0000","\\\\<","\\"<"]',
  '{"cursor":"x"}\n{"gap":{}}\n',
].map(encodeUtf8)

/** What the bytes are as a payload: JSON where they are, else text, else bytes. */
function publicationOf(data: Uint8Array, label: string): Publication {
  const place = { channel: label === '' ? 'a' : label, offset: 1, seq: 1, time: 1, event: label, id: label }
  // Kept JSON has no line ends between its tokens, and in its strings there are none.
  if (!data.includes(0x0a) && !data.includes(0x0d) && jsonProblem(data) === undefined) return { ...place, data, format: 'json' }
  if (isUtf8(data)) return { ...place, data, format: 'text', type: 'text/plain' }
  return { ...place, data, format: 'bytes', type: 'application/octet-stream' }
}

const scratch = new ByteWriter()

function written(write: (out: ByteWriter) => void): Uint8Array {
  scratch.clear()
  write(scratch)
  return scratch.slice()
}

const parent = createContext({})

/** What a script engine hands to the function that is called, with nothing but its own members. */
function handed(script: string): string {
  return runInContext(
    `(() => { let told; const parent = { call(message) { told = JSON.stringify(message) } }; ${script}; return told })()`,
    parent,
  ) as string
}

const frame = scriptFrame('nonce', { callback: 'call' })

/** Each encoder, and a strict reader of another make: what it reads is compared with the envelope, or with the bytes that went in. */
const oracles: Record<string, (publication: Publication, envelope: string) => void> = {
  ndjson(publication, envelope) {
    const line = textOf(written((out) => writeNdjsonPublication(out, publication, JSON.stringify(publication.channel), 'token')))
    if (line !== `${envelope}\n` || line.indexOf('\n') !== line.length - 1) throw new Error(`not one line: ${line}`)
  },
  multipart(publication, envelope) {
    const bytes = written((out) => {
      writeMultipartBegin(out)
      writeCursorPart(out, 'begin')
      writePayloadPart(out, publication, 'token')
      writeEnvelopePart(out, publication, JSON.stringify(publication.channel), 'token')
      writeErrorPart(out, 'draining', '{}')
    })
    const [begin, payload, enveloped, last, ...others] = readMultipart(multipartType, bytes)
    const right =
      begin?.fields.get('fanfare-cursor') === 'begin' &&
      begin.body.length === 0 &&
      Buffer.compare(payload?.body ?? new Uint8Array(), publication.data) === 0 &&
      decodeURIComponent(payload?.fields.get('fanfare-event') ?? '') === publication.event &&
      decodeURIComponent(payload?.fields.get('fanfare-channel') ?? '') === publication.channel &&
      decodeUtf8(enveloped?.body ?? new Uint8Array()) === envelope &&
      last?.fields.get('fanfare-error') === 'draining' &&
      others.length === 0
    if (!right) throw new Error(`other parts than went in: ${Buffer.from(bytes).toString('latin1')}`)
  },
  script(_publication, envelope) {
    const element = textOf(written((out) => writeScript(out, frame, encodeUtf8(envelope))))
    const inner = element.slice('<script nonce="nonce">'.length, -'</script>\n'.length)
    if (/[<>&'\u2028\u2029]/.test(inner)) throw new Error(`markup in ${element}`)
    if (handed(inner) !== JSON.stringify(JSON.parse(envelope))) throw new Error(`something else is handed over: ${element}`)
  },
  jsonp(_publication, envelope) {
    const { head, tail } = jsonpFrame('parent.call')
    const call = head + textOf(scriptJson(encodeUtf8(envelope))) + tail
    if (!call.startsWith('/**/parent.call(') || /[<>&'\u2028\u2029]/.test(call)) throw new Error(`markup in ${call}`)
    if (handed(call) !== JSON.stringify(JSON.parse(envelope))) throw new Error(`something else is handed over: ${call}`)
  },
}

describe(`${inputs} mutated payloads, with FANFARE_FUZZ_SEED=${seed},`, () => {
  beforeAll(() => {
    console.info(`FANFARE_FUZZ_SEED=${seed}`)
  })

  it.each(Object.entries(oracles))('are read from %s as what went in', { timeout: 120_000 }, (_name, check) => {
    const random = randomFrom(seed)
    const next = mutator([...seeds, ...hostile, ...hostile, ...hostile], random)
    const counts = { json: 0, text: 0, bytes: 0 }
    for (let i = 0; i < inputs; i++) {
      const label = decodeUtf8(next().subarray(0, 40))
      const publication = publicationOf(next(), label)
      counts[publication.format]++
      const envelope = textOf(written((out) => writeEnvelope(out, publication, JSON.stringify(publication.channel), 'token')))
      check(publication, envelope)
    }
    expect(Math.min(counts.json, counts.text, counts.bytes)).toBeGreaterThan(inputs / 100)
  })
})
