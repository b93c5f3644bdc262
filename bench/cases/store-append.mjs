import { startChild } from '../lib/child.mjs'
import { Rounds } from '../lib/rounds.mjs'
import { scratchDirectory } from '../lib/scratch.mjs'
import { aim, number, spread } from '../lib/table.mjs'
import { directorySummary } from '../lib/directory.mjs'

const channels = 1000
const payloadBytes = 100
const stores = ['fanfare', 'lmdb', 'floor-append', 'floor-zeroed']

/** `records` and not seconds where the run must be long enough that segments are merged: 1.1 GB of records. */
const parts = [
  { name: 'batches', title: 'batches of 100, one after the other, sealing included', batch: 100, inFlight: 1, seconds: 3, stores },
  { name: 'singles', title: 'single records, 64 in flight', batch: 1, inFlight: 64, seconds: 3, stores },
  {
    name: 'merging',
    title: 'batches of 100, sealing and merging included',
    batch: 100,
    inFlight: 1,
    records: 8_000_000,
    stores: ['fanfare', 'floor-append', 'floor-zeroed'],
  },
]

/** @param {{ rounds?: number, quick: boolean, only: (name: string) => boolean, say: (text: string) => void }} options */
export async function run({ rounds, quick, only, say }) {
  const result = { parts: /** @type {any[]} */ ([]), aims: /** @type {any[]} */ ([]), raw: /** @type {any} */ ({}), notes }
  for (const part of parts.filter(({ name }) => only(name))) {
    const variants = new Map(part.stores.map((store) => [store, () => append(store, part, quick)]))
    const measured = await new Rounds().run({
      rounds: part.name === 'merging' ? Math.min(rounds ?? 3, quick ? 1 : 3) : (rounds ?? (quick ? 2 : 7)),
      say: (text) => say(`${part.name} ${text}`),
      variants,
      describe: (one) => `${number(one.perSecond)} records/s, ${number(one.cpuUs)} us CPU, p99 ${number(one.p99 / 1000)} ms, ${one.files}`,
    })
    result.raw[part.name] = measured.raw()
    result.parts.push(partTable(part, measured))
    result.aims.push(...aimsOf(part, measured))
  }
  return result
}

const notes = [
  `Records of ${payloadBytes} bytes over ${channels} channels. Each store in a process of its own, in a fresh directory, after a warm-up of 2.5 s or 1,000,000 records (none where merging is measured); every append is answered after its fdatasync.`,
  'floor-append: writeSync and fdatasyncSync at the end of a growing file. floor-zeroed: the same into a file of 64 MiB written out before and used again. Both write the bytes of the batch with 40 bytes a record of header, once.',
  'lmdb 3.5: a key of channel and offset, put, then `await db.flushed`.',
  'CPU: user and system of the process, all its threads, a record. p99: of a batch (or of a record at 64 in flight).',
]

/** @param {typeof parts[number]} part @param {Rounds<any>} measured */
function partTable(part, measured) {
  const against = (/** @type {string} */ store, /** @type {string} */ other) =>
    part.stores.includes(other) ? spread(measured.ratio(store, other, (one) => one.perSecond)) : '-'
  return {
    title: part.title,
    head: ['store', 'records/s', 'to floor-append', 'to floor-zeroed', 'to lmdb', 'CPU us', 'p50 ms', 'p99 ms', 'longest ms'],
    rows: part.stores.map((store) => [
      store,
      spread(measured.spread(store, (one) => one.perSecond)),
      against(store, 'floor-append'),
      against(store, 'floor-zeroed'),
      against(store, 'lmdb'),
      spread(measured.spread(store, (one) => one.cpuUs)),
      spread(measured.spread(store, (one) => one.p50 / 1000)),
      spread(measured.spread(store, (one) => one.p99 / 1000)),
      spread(measured.spread(store, (one) => one.largest / 1000)),
    ]),
  }
}

/** @param {typeof parts[number]} part @param {Rounds<any>} measured */
function aimsOf(part, measured) {
  const to = (/** @type {string} */ other) => measured.ratio('fanfare', other, (one) => one.perSecond).median
  if (part.name === 'merging')
    return [aim('engine.append, batches of 100, merging included, to the appending floor', '>=', 0.7, to('floor-append'))]
  if (part.name !== 'batches') return []
  return [
    aim('engine.append, batches of 100, to lmdb', '>=', 3, to('lmdb')),
    aim('engine.append, batches of 100, to the appending floor', '>=', 0.8, to('floor-append')),
    aim('engine.append, batches of 100, to the zeroed floor', '>=', 0.5, to('floor-zeroed')),
  ]
}

/** @param {string} store @param {typeof parts[number]} part @param {boolean} quick */
async function append(store, { batch, inFlight, seconds, records }, quick) {
  const scratch = scratchDirectory()
  const child = startChild(new URL('../stores/append-runner.mjs', import.meta.url), { args: [store, scratch.path] })
  try {
    const plan = { channels, payloadBytes, batch, inFlight }
    // Journals double from 1 to 64 MiB: after 1,000,000 records they have their size.
    const warm = seconds === undefined ? { seconds: 0.2 } : { seconds: 2.5, records: 1_000_000 }
    await child.ask('append', { ...plan, ...(quick ? { seconds: 0.2 } : warm) })
    const length = records === undefined ? { seconds: quick ? 1 : seconds } : { records: quick ? records / 8 : records }
    const result = await child.ask('append', { ...plan, ...length })
    await child.ask('check')
    return { ...result, files: directorySummary(scratch.path) }
  } finally {
    await child.stop()
    scratch.remove()
  }
}
