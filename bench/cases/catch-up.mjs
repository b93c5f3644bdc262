import { fillDirectory } from '../lib/fill.mjs'
import { cpuPer, withServer } from '../lib/measured-server.mjs'
import { Rounds } from '../lib/rounds.mjs'
import { scratchDirectory } from '../lib/scratch.mjs'
import { aim, number, spread } from '../lib/table.mjs'

const bytes = 100
const keep = { publications: 2_000_000, ageMs: null, bytes: null }
const mebibyte = 2 ** 20

/** @param {{ rounds?: number, quick: boolean, only: (name: string) => boolean, say: (text: string) => void }} options */
export async function run({ rounds, quick, only, say }) {
  const count = quick ? 100_000 : 1_000_000
  const scratch = scratchDirectory()
  try {
    await fillDirectory(scratch.path, { name: 'bench', channels: 1, each: count, bytes }, { keep })
    const transports = /** @type {const} */ (['sse', 'websocket']).filter((transport) => only(transport))
    const variants = new Map(transports.map((transport) => [transport, () => catchUp(scratch.path, transport, count)]))
    const describe = (/** @type {any} */ one) =>
      `${number(one.seconds)} s, ${number(one.cpuUs)} us CPU each, RSS +${number(one.peak)} MiB at the peak, +${number(one.end)} at the end`
    const measured = await new Rounds().run({ rounds: rounds ?? (quick ? 1 : 5), say, variants, describe })
    const cell = (/** @type {string} */ name, /** @type {(one: any) => number} */ value) => spread(measured.spread(name, value))
    return {
      raw: measured.raw(),
      parts: [
        {
          title: `${number(count)} publications of ${bytes} bytes behind, one receiver, nobody publishes`,
          head: [
            'transport',
            'seconds',
            'publications/s',
            'server CPU us each',
            'RSS growth at the peak, MiB',
            'at the end, MiB',
            'RSS before, MiB',
          ],
          rows: transports.map((name) => [
            name,
            cell(name, (one) => one.seconds),
            cell(name, (one) => one.perSecond),
            cell(name, (one) => one.cpuUs),
            cell(name, (one) => one.peak),
            cell(name, (one) => one.end),
            cell(name, (one) => one.before),
          ]),
        },
      ],
      aims: transports.map((name) =>
        aim(
          `growth of resident memory while a receiver over ${name} catches up, at the peak`,
          '<',
          48,
          measured.spread(name, (one) => one.peak).median,
          ' MiB',
        ),
      ),
      notes: [
        'A server started for this, RSS sampled each 10 ms from its start state (after a full collection) on; "at the end" after full collections again.',
        'The receiver checked that it got number 1 to the last, in order, each once, byte for byte.',
      ],
    }
  } finally {
    scratch.remove()
  }
}

/** @param {string} data @param {'sse' | 'websocket'} transport @param {number} count */
function catchUp(data, transport, count) {
  return withServer({ kind: 'fanfare', engine: 'disk', data, keep }, async (server, load, port) => {
    await server.ask('settledRss')
    const before = server.rss()
    let peak = before
    const timer = setInterval(() => (peak = Math.max(peak, server.rss())), 10)
    const result = await cpuPer(
      server,
      () => load.ask('catchUp', { port, transport, path: '/channels/bench?since=earliest', count }),
      () => count,
    )
    clearInterval(timer)
    await server.ask('settledRss')
    return { ...result, before: before / mebibyte, peak: (peak - before) / mebibyte, end: (server.rss() - before) / mebibyte }
  })
}
