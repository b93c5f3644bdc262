import { cpuPer, withServer } from '../lib/measured-server.mjs'
import { Rounds } from '../lib/rounds.mjs'
import { aim, number, spread } from '../lib/table.mjs'

const channels = 10_000
const inFlight = 64
const bytes = 128
const loop = 'ws loop'

/** @param {{ rounds?: number, quick: boolean, say: (text: string) => void }} options */
export async function run({ rounds, quick, say }) {
  const variants = new Map([
    [loop, () => publish({ kind: 'peer' }, quick)],
    ['Fanfare, memory', () => publish({ kind: 'fanfare', engine: 'memory' }, quick)],
    ['Fanfare, disk', () => publish({ kind: 'fanfare', engine: 'disk' }, quick)],
  ])
  const names = [...variants.keys()]
  const describe = (/** @type {any} */ one) => `${number(one.cpuUs)} us a publish and delivery, ${number(one.perSecond)}/s`
  const measured = await new Rounds().run({ rounds: rounds ?? (quick ? 2 : 7), say, variants, describe })
  const ratio = (/** @type {string} */ name) => measured.ratio(name, loop, (one) => one.cpuUs)
  return {
    raw: measured.raw(),
    parts: [
      {
        title: `${channels} channels, a WebSocket receiver each, ${bytes} bytes, ${inFlight} connections with one publish each under way`,
        head: ['server', 'CPU us a publish and delivery', `ratio to ${loop}`, 'publishes/s', 'arrival p50 ms', 'arrival p99 ms'],
        rows: names.map((name) => [
          name,
          spread(measured.spread(name, (one) => one.cpuUs)),
          spread(ratio(name)),
          spread(measured.spread(name, (one) => one.perSecond)),
          spread(measured.spread(name, (one) => one.arrival.p50 / 1000)),
          spread(measured.spread(name, (one) => one.arrival.p99 / 1000)),
        ]),
      },
    ],
    aims: names
      .slice(1)
      .map((name) => aim(`${name}: CPU per publish and delivery, 10,000 channels, to a ws loop`, '<', 1.2, ratio(name).median)),
    notes: [
      'The loop is node:http and `ws`; it answers as Fanfare does (JSON with channel, offset, cursor and time, and the Fanfare-Cursor header).',
    ],
  }
}

/** @param {import('../lib/measured-server.mjs').Setting} setting @param {boolean} quick */
function publish(setting, quick) {
  return withServer(setting, async (server, load, port) => {
    const path = '/channels/bench/{n}'
    await load.ask('connect', { port, transport: 'websocket', path, count: channels })
    const go = (/** @type {number} */ seconds) => load.ask('spread', { port, path, channels, inFlight, bytes, seconds, received: true })
    await go(quick ? 0.4 : 1)
    return cpuPer(
      server,
      () => go(quick ? 1 : 2.5),
      (one) => one.publications,
    )
  })
}
