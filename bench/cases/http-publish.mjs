import { startChild } from '../lib/child.mjs'
import { cpuPer, withServer } from '../lib/measured-server.mjs'
import { Rounds } from '../lib/rounds.mjs'
import { scratchDirectory } from '../lib/scratch.mjs'
import { aim, number, spread } from '../lib/table.mjs'

const inFlight = 64
const channels = 1000
const bytes = 100

/** @param {{ rounds?: number, quick: boolean, say: (text: string) => void }} options */
export async function run({ rounds, quick, say }) {
  const variants = new Map([
    ['Fanfare, disk', () => publish({ kind: 'fanfare', engine: 'disk' }, quick)],
    ['lmdb', () => publish({ kind: 'peer', store: 'lmdb' }, quick)],
    ['floor-append', () => publish({ kind: 'peer', store: 'floor-append' }, quick)],
    ['floor-zeroed', () => publish({ kind: 'peer', store: 'floor-zeroed' }, quick)],
    ['no store', () => publish({ kind: 'peer' }, quick)],
    ['floor-append, no HTTP', () => bareLoop('floor-append', quick)],
    ['floor-zeroed, no HTTP', () => bareLoop('floor-zeroed', quick)],
  ])
  const names = [...variants.keys()]
  const describe = (/** @type {any} */ one) =>
    `${number(one.perSecond)} publishes/s, ${number(one.cpuUs)} us CPU, p99 ${number(one.answer.p99 / 1000)} ms`
  const measured = await new Rounds().run({ rounds: rounds ?? (quick ? 2 : 7), say, variants, describe })
  const to = (/** @type {string} */ name, /** @type {string} */ other) => measured.ratio(name, other, (one) => one.perSecond)
  return {
    raw: measured.raw(),
    parts: [
      {
        title: `${bytes} bytes over ${channels} channels, a publication a request, ${inFlight} connections with one request each under way`,
        head: ['server', 'publishes/s', 'to lmdb', 'to floor-append', 'to floor-zeroed', 'CPU us', 'p50 ms', 'p99 ms'],
        rows: names.map((name) => [
          name,
          spread(measured.spread(name, (one) => one.perSecond)),
          spread(to(name, 'lmdb')),
          spread(to(name, 'floor-append')),
          spread(to(name, 'floor-zeroed')),
          spread(measured.spread(name, (one) => one.cpuUs)),
          spread(measured.spread(name, (one) => one.answer.p50 / 1000)),
          spread(measured.spread(name, (one) => one.answer.p99 / 1000)),
        ]),
      },
    ],
    aims: [
      aim('durable publishes over HTTP, 64 in flight, to lmdb behind node:http', '>=', 3, to('Fanfare, disk', 'lmdb').median),
      aim(
        'durable publishes over HTTP, 64 in flight, to the appending floor behind node:http',
        '>=',
        0.8,
        to('Fanfare, disk', 'floor-append').median,
      ),
      aim(
        'durable publishes over HTTP, 64 in flight, to the zeroed floor behind node:http',
        '>=',
        0.5,
        to('Fanfare, disk', 'floor-zeroed').median,
      ),
    ],
    notes: [
      'The peers are the same node:http server of a few dozen lines, which answers what Fanfare answers; "no store" keeps nothing. Its figure is the most that node:http gives here.',
      `"No HTTP" is the bare loop in a process of its own: ${inFlight} records a write and fdatasync.`,
      'Each store commits together what came in one turn of the event loop. The server, all its threads, has one core; the load another.',
      'Offsets in the answers are checked: 1, 2, 3 … of each channel.',
    ],
  }
}

/** @param {import('../lib/measured-server.mjs').Setting} setting @param {boolean} quick */
function publish(setting, quick) {
  return withServer(setting, async (server, load, port) => {
    const go = (/** @type {number} */ seconds) =>
      load.ask('spread', { port, path: '/channels/bench/{n}', channels, inFlight, bytes, seconds, received: false })
    await go(quick ? 0.4 : 1)
    return cpuPer(
      server,
      () => go(quick ? 1 : 3),
      (one) => one.publications,
    )
  })
}

/** @param {string} store @param {boolean} quick */
async function bareLoop(store, quick) {
  const scratch = scratchDirectory()
  const child = startChild(new URL('../stores/append-runner.mjs', import.meta.url), { args: [store, scratch.path] })
  try {
    const result = await child.ask('append', { channels, payloadBytes: bytes, batch: inFlight, inFlight: 1, seconds: quick ? 0.5 : 2 })
    return { ...result, answer: result }
  } finally {
    await child.stop()
    scratch.remove()
  }
}
