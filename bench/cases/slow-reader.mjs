import { fillDirectory } from '../lib/fill.mjs'
import { cpuPer, withServer } from '../lib/measured-server.mjs'
import { Rounds } from '../lib/rounds.mjs'
import { scratchDirectory } from '../lib/scratch.mjs'
import { aim, number, spread } from '../lib/table.mjs'

const keep = { publications: null, ageMs: null, bytes: null }
const backlog = { publications: 8000, bytes: 8192 }
const others = 200
const live = { rate: 200, bytes: 2048 }
const slowBytesPerSecond = 100 * 1024

/** @param {{ rounds?: number, quick: boolean, only: (name: string) => boolean, say: (text: string) => void }} options */
export async function run({ rounds, quick, only, say }) {
  const result = { parts: /** @type {any[]} */ ([]), aims: /** @type {any[]} */ ([]), raw: /** @type {any} */ ({}), notes }
  for (const transport of /** @type {const} */ (['sse', 'websocket']).filter((transport) => only(transport))) {
    const variants = new Map([
      ['without', () => measure(transport, false, quick)],
      ['with the slow one', () => measure(transport, true, quick)],
    ])
    const describe = (/** @type {any} */ one) =>
      `p50 ${number(one.p50 / 1000)} ms, p99 ${number(one.p99 / 1000)} ms, it read ${number(one.slow.bytesPerSecond / 1024)} KiB/s`
    const measured = await new Rounds().run({
      rounds: rounds ?? (quick ? 1 : 5),
      say: (text) => say(`${transport} ${text}`),
      variants,
      describe,
    })
    result.raw[transport] = measured.raw()
    const cell = (/** @type {string} */ name, /** @type {(one: any) => number} */ value) => spread(measured.spread(name, value))
    const growth = measured.ratio('with the slow one', 'without', (one) => one.p99)
    result.parts.push({
      title: `${transport}, ${others} receivers of ${live.rate} publications of ${live.bytes} bytes a second, beside one that is ${(backlog.publications * backlog.bytes) / 1e6} MB behind and reads 100 KiB/s`,
      head: ['run', 'p50 ms', 'p99 ms', 'ratio of p99', 'CPU us a delivery', 'the slow one read, KiB/s'],
      rows: [...variants.keys()].map((name) => [
        name,
        cell(name, (one) => one.p50 / 1000),
        cell(name, (one) => one.p99 / 1000),
        name === 'without' ? '1' : spread(growth),
        cell(name, (one) => one.cpuUs),
        name === 'without' ? '-' : cell(name, (one) => one.slow.bytesPerSecond / 1024),
      ]),
    })
    result.aims.push(
      aim(
        `p99 of the others' delivery latency over ${transport}, with a receiver that reads 100 KiB/s to without`,
        '<',
        1.5,
        growth.median,
      ),
    )
  }
  return result
}

const notes = [
  'All on one channel of the disk engine. The slow one begins at the earliest of the backlog, so that it is behind all the time; its socket is read 100 KiB a second, checked for order and exactness like all others.',
  'Latency: from the publish leaving the load generator to the delivery arriving there.',
]

/** @param {'sse' | 'websocket'} transport @param {boolean} slow @param {boolean} quick */
async function measure(transport, slow, quick) {
  const scratch = scratchDirectory()
  try {
    await fillDirectory(scratch.path, { name: 'bench', channels: 1, each: backlog.publications, bytes: backlog.bytes }, { keep })
    return await withServer({ kind: 'fanfare', engine: 'disk', data: scratch.path, keep }, async (server, load, port) => {
      const path = '/channels/bench'
      await load.ask('numberFrom', backlog.publications + 1)
      await load.ask('connect', { port, transport, path, count: others })
      if (slow) await load.ask('trickle', { port, transport, path: `${path}?since=earliest`, bytesPerSecond: slowBytesPerSecond })
      const publish = (/** @type {number} */ seconds) => load.ask('paced', { port, path, seconds, ...live })
      await publish(1)
      const result = await cpuPer(
        server,
        () => publish(quick ? 2 : 5),
        (one) => one.deliveries,
      )
      return { ...result, slow: slow ? await load.ask('trickled') : { received: 0, bytesPerSecond: 0 } }
    })
  } finally {
    scratch.remove()
  }
}
