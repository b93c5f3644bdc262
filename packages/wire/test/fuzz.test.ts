import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  channelProblem,
  decodeHeaderText,
  decodeUtf8,
  isProblem,
  jsonProblem,
  jsonString,
  messageFromBody,
  messageFromItem,
  negotiate,
  parseCommands,
  parseCursor,
  parseDurationMs,
  parseMediaType,
  parseSince,
  parseSizeBytes,
  patternProblem,
  preferredWaitMs,
  readBase64,
  scanArray,
  scanObject,
  sseParser,
} from '../src/index.ts'
import { mutator, randomFrom } from './mutator.ts'
import { seeds } from './seeds.ts'

/** `FANFARE_FUZZ_SEED=<number>` gives a run again. */
const seed = Number(process.env['FANFARE_FUZZ_SEED'] ?? Math.floor(Math.random() * 0x1_0000_0000))
const inputs = 100_000
const mostMs = 50
const mostGrowthBytes = 8 * 1024 * 1024

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

const latin1 = (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')

/** Each parser, and what it may do with any bytes: anything but throw. */
const parsers: Record<string, (bytes: Uint8Array) => unknown> = {
  jsonProblem,
  scanObject: (bytes) => eachString(scanObject(bytes)),
  scanArray: (bytes) => eachString(scanArray(bytes)),
  messageFromBody: (bytes) => messageFromBody(latin1(bytes.subarray(0, 20)), bytes, { event: latin1(bytes.subarray(0, 9)) }),
  messageFromItem: (bytes) => {
    const members = scanObject(bytes)
    return isProblem(members) ? members : messageFromItem(members)
  },
  parseCommands,
  sseParser: sseStream(),
  decodeUtf8: (bytes) => decodeUtf8(bytes),
  readBase64: (bytes) => readBase64(latin1(bytes)),
  parseCursor: (bytes) => parseCursor(latin1(bytes)),
  parseSince: (bytes) => parseSince({ since: latin1(bytes), last: latin1(bytes) }),
  parseMediaType: (bytes) => parseMediaType(latin1(bytes)),
  decodeHeaderText: (bytes) => decodeHeaderText(latin1(bytes)),
  preferredWaitMs: (bytes) => preferredWaitMs(latin1(bytes)),
  negotiate: (bytes) => negotiate(latin1(bytes), ['application/json', 'text/event-stream']),
  channels: (bytes) => [channelProblem(decodeUtf8(bytes)), patternProblem(decodeUtf8(bytes))],
  words: (bytes) => [parseDurationMs(latin1(bytes)), parseSizeBytes(latin1(bytes))],
}

/** One parser for the whole run, so that what it would keep shows. */
function sseStream(): (bytes: Uint8Array) => unknown {
  const open = () => sseParser(() => undefined, { eventBytes: 64 * 1024 })
  let parser = open()
  return (bytes) => {
    const problem = parser.push(bytes)
    if (problem !== undefined) parser = open()
    return problem
  }
}

function eachString(slices: ReturnType<typeof scanObject> | ReturnType<typeof scanArray>): unknown {
  return isProblem(slices) ? slices : [...slices.values()].map((slice) => jsonString(slice))
}

/** The shortest of three tries: a pause of the machine is not the parser's. */
function shortestMs(parse: () => unknown): number {
  let shortest = Infinity
  for (let turn = 0; turn < 3 && shortest > mostMs; turn++) {
    const before = performance.now()
    parse()
    shortest = Math.min(shortest, performance.now() - before)
  }
  return shortest
}

function usedBytes(): number {
  collect()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

describe(`${inputs} mutated inputs, with FANFARE_FUZZ_SEED=${seed},`, () => {
  beforeAll(() => {
    console.info(`FANFARE_FUZZ_SEED=${seed}`)
  })

  it('come from all vectors, and are partly right and partly wrong', () => {
    const next = mutator(seeds, randomFrom(seed))
    const right = Array.from({ length: 5000 }, next).filter((bytes) => jsonProblem(bytes) === undefined).length
    expect(seeds.length).toBeGreaterThan(500)
    expect(right).toBeGreaterThan(250)
    expect(right).toBeLessThan(4000)
  })

  it.each(Object.entries(parsers))('make %s neither throw, nor hang, nor grow', (_name, parse) => {
    const next = mutator(seeds, randomFrom(seed))
    let slow: string | undefined
    let before = 0
    for (let i = 0; i < inputs; i++) {
      if (i === inputs / 10) before = usedBytes()
      const bytes = next()
      if (shortestMs(() => parse(bytes)) > mostMs) slow ??= `input ${i}: ${latin1(bytes.subarray(0, 200))}`
    }
    expect(slow).toBeUndefined()
    expect(usedBytes() - before).toBeLessThan(mostGrowthBytes)
  })

  it('change no answer when they are read a second time', () => {
    const next = mutator(seeds, randomFrom(seed + 1))
    for (let i = 0; i < 5000; i++) {
      const bytes = next()
      expect(parseCommands(bytes)).toEqual(parseCommands(bytes.slice()))
    }
  })
})
