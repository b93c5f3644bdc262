// A process that fills a data directory: publications of channels in turn, numbered as the load generator expects them.
import { answerParent } from '../lib/child.mjs'
import { makePayload } from '../load/payload.mjs'
import { openEngine } from './fanfare-store.mjs'

const { directory, keep } = JSON.parse(process.argv[2] ?? '{}')
const engine = await openEngine(directory, keep)

answerParent({ fill, stop: () => engine.close() })

/**
 * `{n}` in the name is the channel's index, padded with zeros to a name of `nameBytes`.
 * @param {{ name: string, nameBytes?: number, channels: number, each: number, bytes: number }} plan
 */
async function fill({ name, nameBytes, channels, each, bytes }) {
  const nameOf = (/** @type {number} */ index) => name.replace('{n}', String(index).padStart((nameBytes ?? 0) - name.length + 3, '0'))
  const names = Array.from({ length: channels }, (_, index) => nameOf(index))
  const begun = performance.now()
  /** @type {any[]} */
  let items = []
  const under = new Set()
  const flush = async () => {
    const append = engine.append({ items })
    items = []
    under.add(append)
    await append
    under.delete(append)
  }
  for (let number = 1; number <= each; number++) {
    const data = makePayload(number, bytes)
    for (const channel of names) {
      items.push({ kind: 'publication', channel, message: { data, format: 'text', type: 'text/plain' } })
      if (items.length * bytes < 200_000 && items.length < 1000) continue
      void flush()
      while (under.size >= 4) await Promise.race(under)
    }
  }
  if (items.length > 0) void flush()
  await Promise.all(under)
  return { publications: channels * each, seconds: (performance.now() - begun) / 1000 }
}
