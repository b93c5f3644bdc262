import { cpuPer, withServer } from '../lib/measured-server.mjs'
import { Rounds } from '../lib/rounds.mjs'
import { aim, number, spread } from '../lib/table.mjs'

const held = 1000
const bytes = 128
const path = '/channels/bench'
const loop = 'node:http'

/** @param {{ rounds?: number, quick: boolean, only: (name: string) => boolean, say: (text: string) => void }} options */
export async function run({ rounds, quick, say }) {
  const variants = new Map([
    [loop, () => wakeUps({ kind: 'hold' }, quick)],
    ['Fanfare, memory', () => wakeUps({ kind: 'fanfare', engine: 'memory' }, quick)],
    ['Fanfare, disk', () => wakeUps({ kind: 'fanfare', engine: 'disk' }, quick)],
  ])
  const names = [...variants.keys()]
  const describe = (/** @type {any} */ one) =>
    `${number(one.cpuUs)} us a wake-up, ${number(one.deliveries / one.seconds)} wake-ups/s, p50 ${number(one.p50 / 1000)} ms`
  const measured = await new Rounds().run({ rounds: rounds ?? (quick ? 2 : 7), say, variants, describe })
  const ratio = (/** @type {string} */ name) => measured.ratio(name, loop, (one) => one.cpuUs)
  return {
    raw: measured.raw(),
    parts: [
      {
        title: `${held} held requests, each answered by each publication of ${bytes} bytes and asked again at once on its connection`,
        head: ['server', 'CPU us a wake-up', `ratio to ${loop}`, 'wake-ups/s', 'p50 ms', 'p99 ms'],
        rows: names.map((name) => [
          name,
          spread(measured.spread(name, (one) => one.cpuUs)),
          spread(ratio(name)),
          spread(measured.spread(name, (one) => one.deliveries / one.seconds)),
          spread(measured.spread(name, (one) => one.p50 / 1000)),
          spread(measured.spread(name, (one) => one.p99 / 1000)),
        ]),
      },
    ],
    aims: names
      .slice(1)
      .map((name) => aim(`${name}: CPU per wake-up of a held request, to a bare ${loop} server`, '<', 1, ratio(name).median)),
    notes: [
      'CPU is that of the whole server process, taking the publications over HTTP included, divided by wake-ups: a wake-up is an answer, and the next request read and held.',
      `The bare server answers the same bytes with the same header fields but for Fanfare's Vary and X-Content-Type-Options. It has one channel and keeps one publication.`,
      'A publication leaves when everybody has the one before, and 20 ms have gone in which all are held again.',
      'Every receiver checked that it got each publication once, in order, byte for byte.',
    ],
  }
}

/** @param {import('../lib/measured-server.mjs').Setting} setting @param {boolean} quick */
function wakeUps(setting, quick) {
  return withServer(setting, async (server, load, port) => {
    await load.ask('hold', { port, path, count: held, bytes })
    const wake = (/** @type {number} */ seconds) => load.ask('wake', { port, path, bytes, seconds, pauseMs: 20 })
    await wake(quick ? 0.5 : 1)
    return cpuPer(
      server,
      () => wake(quick ? 1.5 : 3),
      (one) => one.deliveries,
    )
  })
}
