import { startChild } from '../lib/child.mjs'
import { withServer } from '../lib/measured-server.mjs'
import { Rounds } from '../lib/rounds.mjs'
import { scratchDirectory } from '../lib/scratch.mjs'
import { aim, number, spread } from '../lib/table.mjs'

const queued = 16
const bytes = 100

/** @param {{ rounds?: number, quick: boolean, say: (text: string) => void }} options */
export async function run({ rounds, quick, say }) {
  const seconds = quick ? 1 : 3
  const variants = new Map([
    ['Fanfare over HTTP', () => overHttp({ kind: 'fanfare', engine: 'disk' }, seconds)],
    ['node:http alone', () => overHttp({ kind: 'peer' }, seconds)],
    ['engine.append', () => inProcess('fanfare', seconds)],
    ['write and fdatasync in the thread pool', () => inProcess('pool', seconds)],
  ])
  const describe = (/** @type {any} */ one) =>
    `p50 ${number(one.without.p50 / 1000)} ms, with ${queued} pbkdf2 ${number(one.with.p50 / 1000)} ms`
  const measured = await new Rounds().run({ rounds: rounds ?? (quick ? 1 : 3), say, variants, describe })
  const cell = (/** @type {string} */ name, /** @type {(one: any) => number} */ value) => spread(measured.spread(name, value))
  const growth = (/** @type {string} */ name) => measured.spread(name, (one) => one.with.p50 / one.without.p50)
  return {
    raw: measured.raw(),
    parts: [
      {
        title: `one publication of ${bytes} bytes at a time`,
        head: ['publisher', 'p50 ms', `p50 with ${queued} pbkdf2`, 'ratio of p50', 'p99 ms', `p99 with ${queued} pbkdf2`],
        rows: [...variants.keys()].map((name) => [
          name,
          cell(name, (one) => one.without.p50 / 1000),
          cell(name, (one) => one.with.p50 / 1000),
          spread(growth(name)),
          cell(name, (one) => one.without.p99 / 1000),
          cell(name, (one) => one.with.p99 / 1000),
        ]),
      },
    ],
    aims: ['Fanfare over HTTP', 'engine.append'].map((name) =>
      aim(`${name}: p50 with ${queued} pbkdf2 queued, to that without`, '<', 1.25, growth(name).median),
    ),
    notes: [
      `${queued} pbkdf2 are always queued in Node's pool of four threads, in the process that publishes; they fill both cores, so p99 is the scheduler's. Nothing is pinned.`,
      '"node:http alone" is a server that keeps nothing: what the busy cores cost anybody.',
      'Each round measures without, then with, in the same process.',
    ],
  }
}

/** @param {import('../lib/measured-server.mjs').Setting} setting @param {number} seconds */
function overHttp(setting, seconds) {
  return withServer({ ...setting, pinned: false }, async (server, load, port) => {
    const measure = (/** @type {number} */ seconds) => load.ask('oneByOne', { port, path: '/channels/bench', bytes, seconds, pauseMs: 0 })
    return withAndWithout(server, measure, seconds)
  })
}

/** @param {string} store @param {number} seconds */
async function inProcess(store, seconds) {
  const scratch = scratchDirectory()
  const child = startChild(new URL('../stores/append-runner.mjs', import.meta.url), { args: [store, scratch.path] })
  try {
    const measure = (/** @type {number} */ seconds) =>
      child.ask('append', { channels: 1000, payloadBytes: bytes, batch: 1, inFlight: 1, seconds })
    return await withAndWithout(child, measure, seconds)
  } finally {
    await child.stop()
    scratch.remove()
  }
}

/** @param {import('../lib/child.mjs').Child} child @param {(seconds: number) => Promise<any>} measure @param {number} seconds */
async function withAndWithout(child, measure, seconds) {
  await measure(0.5)
  const without = await measure(seconds)
  await child.ask('queue', queued)
  const withQueue = await measure(seconds)
  await child.ask('endQueue')
  return { without, with: withQueue }
}
