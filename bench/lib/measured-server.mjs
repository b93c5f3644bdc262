import { cores, startChild } from './child.mjs'
import { freePort } from './ports.mjs'
import { scratchDirectory } from './scratch.mjs'

/**
 * A server and a load generator, each in a process of its own, fresh for one measurement.
 *
 * @typedef {object} Setting
 * @property {'peer' | 'hold' | 'fanfare'} kind
 * @property {'memory' | 'disk'} [engine] of Fanfare
 * @property {string} [store] of the peer
 * @property {string} [data] a directory that is already there
 * @property {{ publications: number | null, ageMs: number | null, bytes: number | null }} [keep]
 * @property {boolean} [pinned] each to a core of its own; true unless said
 * @property {readonly string[]} [flags] of node, for the server
 */

/**
 * @template T
 * @param {Setting} setting
 * @param {(server: import('./child.mjs').Child, load: import('./child.mjs').Child, port: number) => Promise<T>} use
 * @returns {Promise<T>}
 */
export async function withServer({ kind, pinned = true, flags = [], ...options }, use) {
  const port = await freePort()
  const scratch = scratchDirectory()
  const directory = options.data ?? scratch.path
  const server = startChild(new URL(`../servers/${kind}.mjs`, import.meta.url), {
    core: pinned ? cores.server : undefined,
    flags: ['--expose-gc', ...flags],
    args: [JSON.stringify({ ...options, port, directory })],
  })
  const load = startChild(new URL('../load/main.mjs', import.meta.url), { core: pinned ? cores.load : undefined })
  try {
    await server.ask('ready')
    return await use(server, load, port)
  } finally {
    await load.kill()
    await server.stop()
    scratch.remove()
  }
}

/**
 * CPU of the server while something runs, in microseconds for each of what it counts.
 * @template T
 * @param {import('./child.mjs').Child} server
 * @param {() => Promise<T>} run
 * @param {(result: T) => number} count
 */
export async function cpuPer(server, run, count) {
  const before = await server.ask('cpu')
  const result = await run()
  const after = await server.ask('cpu')
  return { ...result, cpuUs: (after - before) / count(result) }
}
