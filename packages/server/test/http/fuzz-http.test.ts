import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { innards, poll, publish, receivers } from '../support/problems.ts'
import { requestBytes } from '../support/raw-http.ts'
import { frame, handshakeHeaders, opcodes } from '../support/raw-websocket.ts'
import { startServer } from '../support/start-server.ts'
import type { TestServer } from '../support/start-server.ts'

// Mutated requests and WebSocket bytes at a running server. `FANFARE_FUZZ_SEED` gives a failing run again, `FANFARE_FUZZ_INPUTS` a longer one.

const seed = Number(process.env['FANFARE_FUZZ_SEED'] ?? 1)
const inputs = Number(process.env['FANFARE_FUZZ_INPUTS'] ?? 20_000)
const connections = 24
const hangMs = 3_000

let server: TestServer
let port: number

beforeAll(async () => {
  server = await startServer({ transports: 'all' })
  port = server.port
})
afterAll(async () => await server.close())

/** Mulberry32: the same numbers for the same seed. */
function generator(from: number): (below: number) => number {
  let state = from >>> 0
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

const mask = Buffer.of(1, 2, 3, 4)
const command = (content: string): Buffer => frame({ opcode: opcodes.text, payload: content, mask })

/** Good inputs, from which mutants are made. */
function corpus(cursor: string): readonly Buffer[] {
  const get = (path: string, headers: [string, string][] = []): Buffer => requestBytes(port, { path, headers })
  const post = (path: string, body: string, headers: [string, string][] = []): Buffer =>
    requestBytes(port, { method: 'POST', path, headers, body })
  const upgraded = (path: string, ...frames: Buffer[]): Buffer =>
    Buffer.concat([requestBytes(port, { path, headers: handshakeHeaders({}, 'dGhlIHNhbXBsZSBub25jZQ==') }), ...frames])
  return [
    get(`/channels/fuzz/a?since=${cursor}`),
    get('/channels/fuzz%2Fa?last=5&limit=3&onGap=stop'),
    get('/channels/fuzz/a?since=earliest&wait=1', [['Prefer', 'respond-async, wait=1']]),
    get('/channels/fuzz/a', [
      ['Accept', 'text/event-stream;q=0.9, */*;q=0.1'],
      ['Last-Event-ID', cursor],
    ]),
    get(`/subscribe?channel=fuzz/a&channel=b&since=${cursor}&envelope=1`, [['Accept', 'text/event-stream']]),
    get(`/channels/fuzz/a?since=${cursor}`, [['Accept', 'application/x-ndjson']]),
    get(`/subscribe?channel=fuzz/a&channel=b&last=3&transport=stream&onGap=latest`),
    get('/channels/fuzz/a?since=earliest', [['Accept', 'multipart/mixed; q=0.8, text/html;q=0.7']]),
    get(`/channels/fuzz/a?transport=multipart&envelope=1&since=${cursor}`),
    get(`/channels/fuzz/a?transport=iframe&callback=on.told&since=${cursor}`, [['Referer', 'http://localhost:3000/page?x']]),
    get('/subscribe?channel=fuzz/a&channel=b&transport=iframe&targetOrigin=http://localhost:3000&since=earliest'),
    get(`/channels/fuzz/a?transport=jsonp&callback=$j_1.cb&since=${cursor}&limit=2`, [['Sec-Fetch-Site', 'same-origin']]),
    get('/channels/fuzz/none?transport=jsonp&callback=cb&wait=1'),
    get('/metrics'),
    get('/openapi.json'),
    post('/subscribe', `{"channels":["fuzz/a",{"channel":"b","since":"${cursor}"}],"since":"earliest"}`),
    post('/channels/fuzz/p', '{"AAPL": 191.2, "x": [1e400, "\\ud83d\\ude00", null]}', [
      ['Content-Type', 'application/json; charset=utf-8'],
      ['Fanfare-Event', 'pr%C3%A9'],
      ['Idempotency-Key', 'k'],
    ]),
    post('/channels/fuzz/p', 'text é', [
      ['Content-Type', 'text/plain'],
      ['Fanfare-Id', 'i'],
    ]),
    post('/channels/fuzz/p', '5\r\nhello\r\n0\r\n\r\n', [['Transfer-Encoding', 'chunked']]),
    post(
      '/publish?atomic=1',
      '[{"channel":"fuzz/b","data":"1","event":"e","id":"i","type":"text/plain"},{"channel":"fuzz/b","data":"aGk=","encoding":"base64","key":"k"}]',
      [['Content-Type', 'application/json']],
    ),
    post('/publish', '{"channel":"fuzz/b","data":1}\n{"channel":"fuzz/b","data":"x"}\n', [['Content-Type', 'application/x-ndjson']]),
    Buffer.concat([get('/healthz'), get('/readyz'), get('/channels/fuzz/a?last=1')]),
    requestBytes(port, {
      method: 'OPTIONS',
      path: '/channels/a',
      headers: [
        ['Origin', 'http://localhost:1'],
        ['Access-Control-Request-Method', 'POST'],
      ],
    }),
    requestBytes(port, { method: 'HEAD', path: '/channels/fuzz/a' }),
    upgraded(
      '/channels/fuzz/w',
      frame({ opcode: opcodes.text, payload: 'hello é', mask }),
      frame({ opcode: opcodes.binary, payload: Buffer.alloc(300, 7), mask }),
    ),
    upgraded(
      '/channels/fuzz/w?envelope=1',
      frame({ fin: false, opcode: opcodes.text, payload: 'a', mask }),
      frame({ opcode: opcodes.ping, payload: 'p', mask }),
      frame({ opcode: opcodes.continuation, payload: 'b', mask }),
    ),
    upgraded('/channels/fuzz/w', frame({ opcode: opcodes.close, payload: Buffer.from('\x03\xe8bye', 'latin1'), mask })),
    upgraded(`/subscribe?channel=fuzz/w&since=${cursor}`, frame({ opcode: opcodes.text, payload: 'x', mask })),
    upgraded(
      '/connect',
      command(`{"id":1,"subscribe":{"channel":"fuzz/a","since":"${cursor}","last":10}}`),
      command(
        '[{"id":2,"publish":{"channel":"fuzz/c","data":{"a":[1,2]},"event":"e","type":"application/json","key":"k"}},{"id":"3","ping":{}}]',
      ),
      command('{"id":4,"history":{"channel":"fuzz/a","since":"earliest","limit":3}}'),
      command('{"id":5,"unsubscribe":{"channel":"fuzz/a"}}'),
    ),
  ]
}

const spices = [
  '\r\n',
  '\r\n\r\n',
  '\0',
  '%',
  '%00',
  '%FF',
  '{',
  '[',
  '"',
  ',',
  ':',
  '9999999999999999999999',
  '-1',
  '1e400',
  '\ud83d',
  '__proto__',
  '../',
  '$',
  '=',
  '&',
  '?',
  'wait=',
  'transport=',
  'callback=',
  '</script>',
  '--fanfare-part-5Yw0bXq8',
  '\x81\x7e',
  '\x88\x00',
  '\xff\xff\xff\xff',
  ' ',
]

/** One to six changes: bytes turned over, cut, doubled, moved, mixed with another input, and what parsers trip over. */
function mutate(input: Buffer, others: readonly Buffer[], random: (below: number) => number): Buffer {
  let bytes = Buffer.from(input)
  for (let change = random(6); change >= 0; change--) {
    const at = random(bytes.length + 1)
    const span = 1 + random(random(4) === 0 ? 200 : 8)
    const kind = random(8)
    if (kind === 0 && bytes.length > 0) bytes[Math.min(at, bytes.length - 1)] = random(256)
    else if (kind === 1 && bytes.length > 0)
      bytes[Math.min(at, bytes.length - 1)] = (bytes[Math.min(at, bytes.length - 1)] ?? 0) ^ (1 << random(8))
    else if (kind === 2) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + span)])
    else if (kind === 3) bytes = Buffer.concat([bytes.subarray(0, at + span), bytes.subarray(at)])
    else if (kind === 4)
      bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from(spices[random(spices.length)] ?? '', 'latin1'), bytes.subarray(at)])
    else if (kind === 5) bytes = bytes.subarray(0, at)
    else if (kind === 6)
      bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from(Array.from({ length: span }, () => random(256))), bytes.subarray(at)])
    else {
      const other = others[random(others.length)] ?? bytes
      bytes = Buffer.concat([bytes.subarray(0, at), other.subarray(random(other.length))])
    }
  }
  return bytes.subarray(0, 70_000)
}

/**
 * Sends the bytes, and FIN: at once, or when something came, or so much later: what has no end is ended by a FIN before it began. Resolves with what came
 * once the server has ended the connection, rejects where it hangs.
 */
async function throwAt(bytes: Buffer, lingerMs: number): Promise<string> {
  return await new Promise((resolve, reject) => {
    const received: Buffer[] = []
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    const timer = setTimeout(() => {
      socket.destroy()
      reject(new Error(`the connection was still open ${hangMs} ms after its end`))
    }, hangMs)
    const lingering = setTimeout(() => socket.end(), lingerMs)
    socket.on('data', (chunk: Buffer) => {
      received.push(chunk)
      socket.end()
    })
    // A reset is an end like any other.
    socket.on('error', () => undefined)
    socket.on('close', () => {
      clearTimeout(timer)
      clearTimeout(lingering)
      resolve(Buffer.concat(received).toString('latin1'))
    })
    if (lingerMs === 0) socket.end(bytes)
    else socket.write(bytes)
  })
}

/** Bytes of the heap that are really in use. */
function heapUsed(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  return process.memoryUsage().heapUsed
}

async function attack(count: number, from: number, good: readonly Buffer[]): Promise<void> {
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < count) {
      const number = from + next++
      const random = generator(seed * 1_000_003 + number)
      const bytes = mutate(good[random(good.length)] ?? Buffer.alloc(0), good, random)
      const said = await throwAt(bytes, random(3) === 0 ? 30 : 0).catch((error: unknown) => {
        throw new Error(`input ${number} of seed ${seed}: ${bytes.toString('base64')}`, { cause: error })
      })
      if (/HTTP\/1\.1 5(?!01|03|05|07)/.test(said) || innards.test(said))
        throw new Error(`input ${number} of seed ${seed}: ${bytes.toString('base64')} was answered with ${said.slice(0, 500)}`)
    }
  }
  await Promise.all(Array.from({ length: connections }, worker))
}

describe('mutated requests and frames', () => {
  it('are made of good ones, each of which is let in', async () => {
    const { cursor } = await publish(port, 'fuzz/a', 'first')
    for (const bytes of corpus(cursor)) {
      const said = await throwAt(bytes, hangMs / 2)
      if (!/^HTTP\/1\.1 (?:101|20[014]) /.test(said))
        throw new Error(`${bytes.toString('latin1', 0, 300)}\nwas answered with ${said.slice(0, 600)}`)
    }
  })

  it(`${inputs} of them leave the server up, answering, and not larger`, { timeout: 60_000 + inputs * 6 }, async () => {
    const { cursor } = await publish(port, 'fuzz/a', 'first')
    for (let index = 0; index < 20; index++) await publish(port, 'fuzz/a', `{"n":${index}}`, [['Content-Type', 'application/json']])
    const good = corpus(cursor)
    const rounds = 5
    const share = Math.ceil(inputs / rounds)
    const heaps: number[] = []
    for (let round = 0; round < rounds; round++) {
      await attack(share, round * share, good)
      const canary = await publish(port, 'canary', String(round))
      expect((await poll(port, '/channels/canary?last=1')).publications[0]).toMatchObject({ cursor: canary.cursor, data: String(round) })
      await expect.poll(async () => await receivers(port), { timeout: 5_000 }).toBe(0)
      heaps.push(heapUsed())
    }
    // What is published stays, and caches fill in the first rounds; connections that leaked would cost tens of KiB each.
    const [, second = 0] = heaps
    expect((heaps.at(-1) ?? 0) - second).toBeLessThan(share * (rounds - 2) * 2_048)
  })
})
