import { startChild } from './child.mjs'

/**
 * Fills a data directory from a process of its own, which ends cleanly or, with `crash`, is killed.
 * @param {string} directory
 * @param {{ name: string, nameBytes?: number, channels: number, each: number, bytes: number }} plan
 * @param {{ keep?: import('./measured-server.mjs').Setting['keep'], crash?: boolean }} [options]
 */
export async function fillDirectory(directory, plan, { keep, crash = false } = {}) {
  const child = startChild(new URL('../stores/fill.mjs', import.meta.url), { args: [JSON.stringify({ directory, keep })] })
  const result = await child.ask('fill', plan)
  await (crash ? child.kill() : child.stop())
  return result
}
