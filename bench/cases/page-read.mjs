import { startChild } from '../lib/child.mjs'
import { directorySummary } from '../lib/directory.mjs'
import { Rounds } from '../lib/rounds.mjs'
import { scratchDirectory } from '../lib/scratch.mjs'
import { number, spread } from '../lib/table.mjs'

const bytes = 100
const count = 100

/** Publications of each of 1,000 channels. Journals grow 1, 2, 4 … 64 MiB, so that 700 rounds of 140 KiB leave the last 100 in a journal. */
const each = 700
const places = [
  { name: 'in the journal', skip: each - count },
  { name: 'sealed, in one segment', skip: 300 },
  { name: 'sealed, over the first small segments', skip: 0 },
]

/** @param {{ rounds?: number, quick: boolean, say: (text: string) => void }} options */
export async function run({ rounds, quick, say }) {
  const scratch = scratchDirectory()
  const child = startChild(new URL('../stores/page-runner.mjs', import.meta.url), { args: [JSON.stringify({ directory: scratch.path })] })
  try {
    await child.ask('fill', { each, bytes })
    await new Promise((resolve) => setTimeout(resolve, 2000))
    const variants = new Map(places.map(({ name, skip }) => [name, () => child.ask('read', { skip, count })]))
    const describe = (/** @type {any} */ one) => `p50 ${number(one.p50)} us, CPU ${number(one.cpuUs)} us`
    const measured = await new Rounds().run({ rounds: rounds ?? (quick ? 2 : 7), say, variants, describe })
    return {
      raw: measured.raw(),
      aims: [],
      parts: [
        {
          title: `engine.read of ${count} publications of ${bytes} bytes of one channel among 1,000 interleaved ones, page cache warm`,
          head: ['page', 'p50 us', 'p99 us', 'CPU us', 'reads'],
          rows: places.map(({ name }) => [
            name,
            spread(measured.spread(name, (one) => one.p50)),
            spread(measured.spread(name, (one) => one.p99)),
            spread(measured.spread(name, (one) => one.cpuUs)),
            spread(measured.spread(name, (one) => one.reads)),
          ]),
        },
      ],
      notes: [
        `One page at a time, of each channel one, the second time over. On disk: ${directorySummary(scratch.path)}.`,
        'Reads: calls of engine.read that it took; the engine cuts pages where its own pieces end. It keeps no pages itself; the node does.',
      ],
    }
  } finally {
    await child.stop()
    scratch.remove()
  }
}
