// A process that reads pages of one channel among many from a data directory that it filled itself.
import { answerParent } from '../lib/child.mjs'
import { Histogram } from '../lib/statistics.mjs'
import { openEngine } from './fanfare-store.mjs'

const { directory } = JSON.parse(process.argv[2] ?? '{}')
const engine = await openEngine(directory)
const channels = 1000
const names = Array.from({ length: channels }, (_, index) => `bench/channel/${String(index).padStart(6, '0')}`)

answerParent({ fill, read, stop: () => engine.close() })

/** So many publications of each channel, in turn. @param {{ each: number, bytes: number }} plan */
async function fill({ each, bytes }) {
  const data = Buffer.alloc(bytes, 0x61)
  for (let i = 0; i < each; i++) {
    await engine.append({
      items: names.map((channel) => ({
        kind: /** @type {const} */ ('publication'),
        channel,
        message: { data, format: 'text', type: 'text/plain' },
      })),
    })
  }
  return (await engine.head()).seq
}

/**
 * Pages of `count` publications, of each channel one, behind its first `skip`.
 * @param {{ skip: number, count: number }} plan
 */
async function read({ skip, count }) {
  const times = new Histogram()
  let cpuUs = 0
  let reads = 0
  for (const warm of [true, false]) {
    const cpu = process.cpuUsage()
    for (let i = 0; i < channels; i++) {
      const channel = names[(i * 389) % channels] ?? ''
      // A channel's publications are `channels` places apart: it has one in each round of the filling.
      const after = skip * channels
      const begun = performance.now()
      const found = await readAll(channel, after, after + count * channels)
      if (!warm) times.add((performance.now() - begun) * 1000)
      reads += found.reads
      if (found.count !== count || found.first !== skip + 1) throw new Error(`${found.count} publications from offset ${found.first}`)
    }
    const { user, system } = process.cpuUsage(cpu)
    cpuUs = (user + system) / channels
  }
  return { ...times.summary(), cpuUs, reads: reads / channels / 2 }
}

/** A page ends where the engine cuts it; then the next one is asked for. @param {string} channel @param {number} after @param {number} through */
async function readAll(channel, after, through) {
  let count = 0
  let first
  let reads = 0
  for (let place = after; place < through; reads++) {
    const page = await engine.read(channel, place, through)
    if (page.through <= place) throw new Error(`a page that ends at ${page.through} where ${place} was passed`)
    first ??= page.publications[0]?.offset
    count += page.publications.length
    place = page.through
  }
  return { count, first, reads }
}
