import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { cpus } from 'node:os'

const taskset = ['/usr/bin/taskset', '/bin/taskset'].find((file) => existsSync(file))
const canPin = taskset !== undefined && cpus().length >= 2

/** Which core a process gets; `undefined` is any. */
export const cores = { server: 0, load: 1 }

export const pinning = canPin ? 'server on core 0, load on core 1' : 'not pinned (no taskset, or one core)'

/**
 * A process that answers questions (see `answerParent`).
 * @typedef {object} Child
 * @property {number} pid
 * @property {<T = any>(name: string, params?: unknown) => Promise<T>} ask
 * @property {() => number} rss resident memory in bytes, from outside
 * @property {() => Promise<void>} stop ends it cleanly, in 10 s at most
 * @property {() => Promise<void>} kill ends it as a crash would
 */

/**
 * @param {URL} file
 * @param {{ core?: number | undefined, args?: readonly string[], flags?: readonly string[] }} [options]
 * @returns {Child}
 */
export function startChild(file, { core, args = [], flags = [] } = {}) {
  const command = [process.execPath, ...flags, file.pathname, ...args]
  const [head = '', ...rest] = canPin && core !== undefined ? [taskset ?? '', '-c', String(core), ...command] : command
  const child = spawn(head, rest, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  /** @type {Map<number, { resolve: (value: any) => void, reject: (error: Error) => void }>} */
  const waiting = new Map()
  let next = 1
  let ended = false
  /** @type {Promise<void>} */
  const exit = new Promise((resolve) => {
    child.on('exit', (code, signal) => {
      ended = true
      for (const { reject } of waiting.values()) reject(new Error(`${file.pathname} ended (${signal ?? code})`))
      waiting.clear()
      resolve()
    })
  })
  child.on('message', (/** @type {any} */ message) => {
    const question = waiting.get(message.id)
    waiting.delete(message.id)
    if (message.error === undefined) question?.resolve(message.value)
    else question?.reject(new Error(message.error))
  })
  const ask = (/** @type {string} */ name, /** @type {unknown} */ params) =>
    new Promise((resolve, reject) => {
      if (ended) return reject(new Error(`${file.pathname} has ended`))
      waiting.set(next, { resolve, reject })
      child.send({ id: next++, name, params }, (error) => error === null || reject(error))
    })
  return {
    pid: child.pid ?? 0,
    ask: /** @type {Child['ask']} */ (ask),
    rss: () => rssOf(child.pid ?? 0),
    async stop() {
      if (ended) return
      const late = setTimeout(() => child.kill('SIGKILL'), 10_000)
      child.send({ id: 0, name: 'stop' }, () => undefined)
      await exit
      clearTimeout(late)
    },
    async kill() {
      if (!ended) child.kill('SIGKILL')
      await exit
    },
  }
}

/** @param {number} pid */
export function rssOf(pid) {
  const kib = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Number(kib) * 1024
}

/**
 * The other end: answers the parent's questions until it says stop, or is gone.
 * @param {Record<string, (params: any) => unknown>} handlers `stop` may be among them
 */
export function answerParent(handlers) {
  const all = { ...common, ...handlers }
  process.on('disconnect', () => process.exit(0))
  process.on('message', (/** @type {{ id: number, name: string, params: unknown }} */ { id, name, params }) => {
    Promise.resolve()
      .then(() => {
        const handler = all[name]
        if (handler === undefined && name !== 'stop') throw new Error(`nobody answers ${name}`)
        return handler?.(params)
      })
      .then(
        (value) => (name === 'stop' ? process.exit(0) : process.send?.({ id, value })),
        (/** @type {Error} */ error) => process.send?.({ id, error: error.stack ?? String(error) }),
      )
  })
}

/** @type {Record<string, (params: any) => unknown>} */
const common = {
  /** CPU of the whole process, its threads included, in microseconds. */
  cpu: () => {
    const { user, system } = process.cpuUsage()
    return user + system
  },
  /** Resident memory in bytes after full collections (needs --expose-gc), when it no longer falls. */
  settledRss: async () => {
    let least = Infinity
    for (let still = 0, tries = 0; still < 4 && tries < 40; tries++) {
      globalThis.gc?.()
      await new Promise((resolve) => setTimeout(resolve, 100))
      const { rss } = process.memoryUsage()
      still = rss < least * 0.99 ? 0 : still + 1
      least = Math.min(least, rss)
    }
    return process.memoryUsage().rss
  },
  /** Bytes of the heap in use. */
  heap: () => process.memoryUsage().heapUsed,
  /** All that node tells of memory, in bytes. */
  memory: () => process.memoryUsage(),
}
