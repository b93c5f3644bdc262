import { withServer } from '../lib/measured-server.mjs'
import { Rounds } from '../lib/rounds.mjs'
import { aim, number, spread } from '../lib/table.mjs'

const wanted = 10_000
const first = 200

const parts = [
  { name: 'websocket', transport: 'websocket', loop: 'ws', path: '/channels/bench', most: 8 },
  { name: 'sse', transport: 'sse', loop: 'node:http', path: '/channels/bench', most: 11 },
  { name: 'websocket, a channel each', transport: 'websocket', loop: 'ws', path: '/channels/bench/{n}', most: undefined },
  { name: 'sse, a channel each', transport: 'sse', loop: 'node:http', path: '/channels/bench/{n}', most: undefined },
]

/** @param {{ rounds?: number, quick: boolean, only: (name: string) => boolean, say: (text: string) => void }} options */
export async function run({ rounds, quick, only, say }) {
  const count = quick ? 2000 : wanted
  const result = { parts: /** @type {any[]} */ ([]), aims: /** @type {any[]} */ ([]), raw: /** @type {any} */ ({}) }
  /** @type {string[][]} */
  const rows = []
  for (const part of parts.filter(({ name }) => only(name))) {
    const measure = (/** @type {import('../lib/measured-server.mjs').Setting} */ setting) => () => idle(setting, part, count)
    const variants = new Map([
      [part.loop, measure({ kind: 'peer' })],
      ['Fanfare, memory', measure({ kind: 'fanfare', engine: 'memory' })],
      ['Fanfare, disk', measure({ kind: 'fanfare', engine: 'disk' })],
    ])
    const describe = (/** @type {any} */ one) => `${number(one.kib)} KiB each, of it heap ${number(one.heapKib)}`
    const measured = await new Rounds().run({
      rounds: rounds ?? (quick || part.most === undefined ? 1 : 3),
      say: (text) => say(`${part.name} ${text}`),
      variants,
      describe,
    })
    result.raw[part.name] = measured.raw()
    for (const name of variants.keys()) {
      rows.push([part.name, name, spread(measured.spread(name, (one) => one.kib)), spread(measured.spread(name, (one) => one.heapKib))])
      if (part.most !== undefined && name.startsWith('Fanfare')) {
        result.aims.push(
          aim(`${name}: an idle receiver, ${part.name}`, '<', part.most, measured.spread(name, (one) => one.kib).median, ' KiB'),
        )
      }
    }
  }
  result.parts.push({ title: `${count} idle receivers`, head: ['receivers', 'server', 'KiB each (RSS)', 'of it heap, KiB'], rows })
  return {
    ...result,
    notes: [
      `Resident memory after full collections, ${count} receivers against the first ${first}, divided by their difference. Base of the process not counted.`,
    ],
  }
}

/** @param {import('../lib/measured-server.mjs').Setting} setting @param {typeof parts[number]} part @param {number} count */
function idle(setting, { transport, path }, count) {
  return withServer(setting, async (server, load, port) => {
    const settled = async () => ({
      rss: await server.ask('settledRss'),
      heap: await server.ask('heap'),
    })
    await load.ask('connect', { port, transport, path, count: first })
    const before = await settled()
    await load.ask('connect', { port, transport, path, count })
    await new Promise((resolve) => setTimeout(resolve, 500))
    const after = await settled()
    await load.ask('check')
    return { kib: (after.rss - before.rss) / count / 1024, heapKib: (after.heap - before.heap) / count / 1024 }
  })
}
