import { cpuPer, withServer } from '../lib/measured-server.mjs'
import { Rounds } from '../lib/rounds.mjs'
import { aim, number, spread } from '../lib/table.mjs'

const receivers = 1000
const bytes = 128
const rate = 50
const path = '/channels/bench'

const parts = [
  { name: 'single', inFlight: 0 },
  { name: '16', inFlight: 16 },
]
const engines = /** @type {const} */ (['memory', 'disk'])

/** @param {{ rounds?: number, quick: boolean, only: (name: string) => boolean, say: (text: string) => void }} options */
export async function run({ rounds, quick, only, say }) {
  const result = { parts: /** @type {any[]} */ ([]), aims: /** @type {any[]} */ ([]), raw: /** @type {any} */ ({}), notes }
  for (const part of parts.filter(({ name }) => only(name))) {
    const variants = new Map(
      engines.flatMap((engine) =>
        ['SSE', 'NDJSON'].map((form) => [`${form}, ${engine}`, () => fanOut(engine, form === 'SSE' ? 'sse' : 'stream', part, quick)]),
      ),
    )
    const names = [...variants.keys()]
    const measured = await new Rounds().run({
      rounds: rounds ?? (quick ? 2 : 7),
      say: (text) => say(`${part.name} ${text}`),
      variants,
      // Publications that pile up are joined: then it isn't single messages that are measured.
      counts: (one) => part.inFlight > 0 || one.p50 < 1_000_000 / rate,
      describe: (one) =>
        `${number(one.cpuUs)} us a delivery, ${number(one.deliveries / one.seconds)} deliveries/s, p50 ${number(one.p50 / 1000)} ms`,
    })
    result.raw[part.name] = measured.raw()
    const sseOf = (/** @type {string} */ name) => name.replace('NDJSON', 'SSE')
    const ratio = (/** @type {string} */ name) => measured.ratio(name, sseOf(name), (one) => one.cpuUs)
    const how = part.inFlight === 0 ? `one at a time, ${rate}/s` : `${part.inFlight} in flight`
    result.parts.push({
      title: `${receivers} receivers, ${bytes} bytes, ${how}${measured.leftOut === 0 ? '' : ` (${measured.leftOut} rounds left out, in which they piled up)`}`,
      head: ['transport, engine', 'CPU us a delivery', 'ratio to SSE', 'deliveries/s', 'p50 ms', 'p99 ms'],
      rows: names.map((name) => [
        name,
        spread(measured.spread(name, (one) => one.cpuUs)),
        spread(ratio(name)),
        spread(measured.spread(name, (one) => one.deliveries / one.seconds)),
        spread(measured.spread(name, (one) => one.p50 / 1000)),
        spread(measured.spread(name, (one) => one.p99 / 1000)),
      ]),
    })
    for (const name of names.filter((name) => name.startsWith('NDJSON')))
      result.aims.push(aim(`${name}: CPU per delivery, ${how}, to SSE`, '<', 1, ratio(name).median))
  }
  return result
}

const notes = [
  'CPU is that of the whole server process (user and system, all threads), taking the publications over HTTP included, divided by deliveries.',
  'An SSE event has the payload and its cursor; a line of NDJSON is the publication as JSON with channel, offset, cursor and time, about 110 bytes more on the wire.',
  'Every receiver checked that it got each publication once, in order, byte for byte.',
]

/**
 * @param {typeof engines[number]} engine @param {'sse' | 'stream'} transport
 * @param {typeof parts[number]} part @param {boolean} quick
 */
function fanOut(engine, transport, { inFlight }, quick) {
  return withServer({ kind: 'fanfare', engine }, async (server, load, port) => {
    await load.ask('connect', { port, transport, path, count: receivers })
    const publish = (/** @type {number} */ seconds) =>
      inFlight === 0
        ? load.ask('paced', { port, path, bytes, seconds, rate })
        : load.ask('windowed', { port, path, bytes, seconds, inFlight })
    await publish(quick ? 0.3 : 0.7)
    return cpuPer(
      server,
      () => publish(quick ? 0.7 : 2),
      (one) => one.deliveries,
    )
  })
}
