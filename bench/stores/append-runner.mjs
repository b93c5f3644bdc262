// A process that appends to one store as fast as it is answered, and says how many, how long, and at what CPU.
import { answerParent } from '../lib/child.mjs'
import { keepQueued } from '../lib/pbkdf2.mjs'
import { Histogram } from '../lib/statistics.mjs'
import { openStore } from './store.mjs'

const [name = '', directory = ''] = process.argv.slice(2)
const store = await openStore(name, directory)

let answered = 0
/** @type {() => Promise<void>} */
let endQueue = async () => undefined

answerParent({
  /** @param {{ channels: number, payloadBytes: number, batch: number, inFlight: number, records?: number, seconds?: number }} plan */
  append: (plan) => measured(plan, plan.batch === 1 ? singles : batches),
  /** @param {number} count */
  queue(count) {
    endQueue = keepQueued(count)
  },
  endQueue: () => endQueue(),
  /** Throws where the store doesn't hold what it has answered. */
  async check() {
    const held = await store.count?.()
    if (held !== undefined && held !== answered) throw new Error(`${answered} records were answered, the store holds ${held}`)
  },
  stop: () => store.close(),
})

/**
 * @param {any} plan
 * @param {(plan: any, times: Histogram, until: () => boolean, next: () => any[]) => Promise<number>} kind
 */
async function measured(plan, kind) {
  const times = new Histogram()
  const next = batchSource(plan)
  const cpu = process.cpuUsage()
  const begun = performance.now()
  const ends = plan.seconds === undefined ? Infinity : begun + plan.seconds * 1000
  const most = plan.records ?? Infinity
  let asked = 0
  const until = () => {
    asked += plan.batch
    return asked > most || performance.now() > ends
  }
  const records = await kind(plan, times, until, next)
  const seconds = (performance.now() - begun) / 1000
  const { user, system } = process.cpuUsage(cpu)
  answered += records
  return {
    records,
    seconds,
    perSecond: records / seconds,
    cpuUs: (user + system) / records,
    ...times.summary(),
    rss: process.memoryUsage().rss,
  }
}

/** @param {any} plan @param {Histogram} times @param {() => boolean} until @param {() => any[]} next */
async function batches(plan, times, until, next) {
  let records = 0
  const worker = async () => {
    while (!until()) {
      const batch = next()
      const begun = performance.now()
      await store.appendBatch(batch)
      times.add((performance.now() - begun) * 1000)
      records += plan.batch
    }
  }
  await Promise.all(Array.from({ length: plan.inFlight }, worker))
  return records
}

/** @param {any} plan @param {Histogram} times @param {() => boolean} until @param {() => any[]} next */
async function singles(plan, times, until, next) {
  let records = 0
  const worker = async () => {
    while (!until()) {
      const begun = performance.now()
      await store.append(next()[0])
      times.add((performance.now() - begun) * 1000)
      records++
    }
  }
  await Promise.all(Array.from({ length: plan.inFlight }, worker))
  return records
}

/**
 * Batches made beforehand, so that only the store is measured; records over all channels in an order that no store can guess.
 * @param {any} plan
 */
function batchSource(plan) {
  const names = Array.from({ length: plan.channels }, (_, index) => `bench/channel/${String(index).padStart(6, '0')}`)
  const data = Buffer.alloc(plan.payloadBytes, 0x61)
  let state = 1
  const record = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return store.prepare({ channel: names[(state >>> 8) % names.length] ?? '', data })
  }
  const ring = Array.from({ length: Math.ceil(100_000 / plan.batch) }, () => Array.from({ length: plan.batch }, record))
  let at = 0
  return () => ring[at++ % ring.length] ?? []
}
