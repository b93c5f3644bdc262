import { startChild } from '../lib/child.mjs'
import { directorySummary } from '../lib/directory.mjs'
import { fillDirectory } from '../lib/fill.mjs'
import { freePort } from '../lib/ports.mjs'
import { Rounds } from '../lib/rounds.mjs'
import { scratchDirectory } from '../lib/scratch.mjs'
import { aim, number, spread } from '../lib/table.mjs'

const million = 1_000_000

/** @param {{ rounds?: number, quick: boolean, only: (name: string) => boolean, say: (text: string) => void }} options */
export async function run({ rounds, quick, only, say }) {
  const size = quick ? million / 10 : million
  const many = { name: 'bench/{n}', channels: 1000, each: size / 1000, bytes: 100 }
  const oneEach = { name: 'ch{n}', nameBytes: 16, channels: size, each: 1, bytes: 100 }
  const stores = [
    { name: 'nothing', plan: undefined, crash: false },
    { name: 'publications', plan: many, crash: false },
    { name: 'publications, after kill -9', plan: many, crash: true },
    { name: 'channels', plan: oneEach, crash: false },
    { name: 'channels, sealed', plan: oneEach, crash: false, sealed: true },
  ].filter(({ name }) => name === 'nothing' || only(name))
  const filled = stores.map((store) => ({ ...store, scratch: scratchDirectory() }))
  try {
    for (const { name, plan, crash, sealed, scratch } of filled) {
      if (plan === undefined) continue
      const { seconds } = await fillDirectory(scratch.path, plan, { crash })
      if (sealed === true) await rest(scratch.path)
      say(`filled "${name}" in ${number(seconds)} s: ${directorySummary(scratch.path)}`)
    }
    const variants = new Map(filled.map(({ name, crash, scratch }) => [name, () => start(scratch.path, crash)]))
    const describe = (/** @type {any} */ one) =>
      `${number(one.ms)} ms, of it engine ${number(one.openMs)}, RSS ${number(one.rss / 2 ** 20)} MiB`
    const measured = await new Rounds().run({ rounds: rounds ?? (quick ? 2 : 7), say, variants, describe })
    return report(measured, [...variants.keys()], size)
  } finally {
    for (const { scratch } of filled) scratch.remove()
  }
}

/** @param {Rounds<any>} measured @param {string[]} names @param {number} size */
function report(measured, names, size) {
  const beyond = (/** @type {string} */ name) => measured.beyond(name, 'nothing', (one) => one.rss)
  const seconds = (/** @type {string} */ name) => measured.spread(name, (one) => one.ms / 1000).median
  const aims = names
    .filter((name) => name !== 'nothing')
    .map((name) => aim(`start with ${number(size)} ${name}`, '<', name.startsWith('channels') ? 3 : 2, seconds(name), ' s'))
  for (const name of names.filter((name) => name.startsWith('channels'))) {
    aims.push(
      aim(`resident memory of one of ${number(size)} ${name}, beyond an empty server`, '<', 200, beyond(name).median / size, ' bytes'),
    )
  }
  return {
    raw: measured.raw(),
    aims,
    parts: [
      {
        title: `start of a server on the disk engine with ${number(size)} …`,
        head: ['kept', 'start to ready, ms', 'of it opening the engine, ms', 'CPU ms', 'RSS MiB', 'RSS beyond nothing, MiB'],
        rows: names.map((name) => [
          name,
          spread(measured.spread(name, (one) => one.ms)),
          spread(measured.spread(name, (one) => one.openMs)),
          spread(measured.spread(name, (one) => one.cpuMs)),
          spread(measured.spread(name, (one) => one.rss / 2 ** 20)),
          spread(measured.beyond(name, 'nothing', (one) => one.rss / 2 ** 20)),
        ]),
      },
    ],
    notes: [
      'From the start of the process, Node included, until it listens and answers; RSS after full collections. Page cache warm.',
      'Each start finds the directory as a clean end right after the filling left it: the newest journals are not sealed yet, and sealing begins beside the start. "Sealed": a server had been left alone on it until it was done.',
      `"publications" are of 1,000 channels, ${number(size / 1000)} each; "channels" have one publication each and names of 16 bytes.`,
    ],
  }
}

/** @param {string} data @param {boolean} crash */
async function start(data, crash) {
  const port = await freePort()
  const begun = performance.now()
  const server = startChild(new URL('../servers/fanfare.mjs', import.meta.url), {
    flags: ['--expose-gc'],
    args: [JSON.stringify({ engine: 'disk', directory: data, port })],
  })
  const { openMs } = await server.ask('ready')
  const ms = performance.now() - begun
  const cpuMs = (await server.ask('cpu')) / 1000
  const answer = await fetch(`http://127.0.0.1:${port}/readyz`)
  if (answer.status !== 200) throw new Error(`not ready: ${answer.status} ${await answer.text()}`)
  await server.ask('settledRss')
  const rss = server.rss()
  await (crash ? server.kill() : server.stop())
  return { ms, openMs, cpuMs, rss }
}

/** Leaves a server alone with the directory until it no longer changes. @param {string} data */
async function rest(data) {
  const port = await freePort()
  const server = startChild(new URL('../servers/fanfare.mjs', import.meta.url), {
    args: [JSON.stringify({ engine: 'disk', directory: data, port })],
  })
  await server.ask('ready')
  let before = ''
  for (let still = 0; still < 4;) {
    await new Promise((resolve) => setTimeout(resolve, 500))
    const now = directorySummary(data)
    still = now === before ? still + 1 : 0
    before = now
  }
  await server.stop()
}
