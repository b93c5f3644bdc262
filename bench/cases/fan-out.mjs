import { cpuPer, withServer } from '../lib/measured-server.mjs'
import { Rounds } from '../lib/rounds.mjs'
import { aim, number, spread } from '../lib/table.mjs'

const receivers = 1000
const bytes = 128
const rate = 50
const path = '/channels/bench'

const parts = [
  { name: 'websocket-single', transport: 'websocket', loop: 'ws.send of one Buffer', inFlight: 0, most: 0.9 },
  { name: 'websocket-16', transport: 'websocket', loop: 'ws.send of one Buffer', inFlight: 16, most: 0.15 },
  { name: 'sse-single', transport: 'sse', loop: 'res.write of one Buffer', inFlight: 0, most: 0.85 },
  { name: 'sse-16', transport: 'sse', loop: 'res.write of one Buffer', inFlight: 16, most: 0.15 },
]

/** @param {{ rounds?: number, quick: boolean, only: (name: string) => boolean, say: (text: string) => void }} options */
export async function run({ rounds, quick, only, say }) {
  const result = { parts: /** @type {any[]} */ ([]), aims: /** @type {any[]} */ ([]), raw: /** @type {any} */ ({}), notes }
  for (const part of parts.filter(({ name }) => only(name))) {
    const measure = (/** @type {import('../lib/measured-server.mjs').Setting} */ setting) => () => fanOut(setting, part, quick)
    const variants = new Map([
      [part.loop, measure({ kind: 'peer' })],
      ['Fanfare, memory', measure({ kind: 'fanfare', engine: 'memory' })],
      ['Fanfare, disk', measure({ kind: 'fanfare', engine: 'disk' })],
    ])
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
    const how = part.inFlight === 0 ? `one at a time, ${rate}/s` : `${part.inFlight} in flight`
    result.parts.push({
      title: `${part.transport}, ${receivers} receivers, ${bytes} bytes, ${how}${measured.leftOut === 0 ? '' : ` (${measured.leftOut} rounds left out, in which they piled up)`}`,
      head: ['server', 'CPU us a delivery', `ratio to ${part.loop}`, 'deliveries/s', 'p50 ms', 'p99 ms'],
      rows: [...variants.keys()].map((name) => [
        name,
        spread(measured.spread(name, (one) => one.cpuUs)),
        spread(measured.ratio(name, part.loop, (one) => one.cpuUs)),
        spread(measured.spread(name, (one) => one.deliveries / one.seconds)),
        spread(measured.spread(name, (one) => one.p50 / 1000)),
        spread(measured.spread(name, (one) => one.p99 / 1000)),
      ]),
    })
    for (const name of [...variants.keys()].slice(1)) {
      result.aims.push(
        aim(
          `${name}: CPU per delivery, ${part.transport}, ${how}, to ${part.loop}`,
          '<',
          part.most,
          measured.ratio(name, part.loop, (one) => one.cpuUs).median,
        ),
      )
    }
  }
  return result
}

const notes = [
  'CPU is that of the whole server process (user and system, all threads), taking the publications over HTTP included, divided by deliveries.',
  '"In flight" counts publications that not every receiver has yet, all over one HTTP connection.',
  'Every receiver checked that it got each publication once, in order, byte for byte.',
]

/** @param {import('../lib/measured-server.mjs').Setting} setting @param {typeof parts[number]} part @param {boolean} quick */
function fanOut(setting, { transport, inFlight }, quick) {
  return withServer(setting, async (server, load, port) => {
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
