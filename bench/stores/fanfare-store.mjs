import { defaultKeep, limits } from '@fanfare/wire'
import { openDiskEngine } from '../../packages/server/dist/engines/disk/disk-engine.js'
import { systemRuntime } from '../../packages/server/dist/runtime.js'

/**
 * @param {string} directory
 * @param {import('../lib/measured-server.mjs').Setting['keep']} [keep]
 */
export function openEngine(directory, keep = defaultKeep) {
  const rules = [{ match: '**', keep, payloadBytes: limits.payloadBytes, public: false }]
  return openDiskEngine({ directory, runtime: systemRuntime, rules, limits })
}

/** @param {string} directory @returns {Promise<import('./store.mjs').Store>} */
export async function openFanfareStore(directory) {
  // As much is kept as the floors and lmdb keep: everything.
  const engine = await openEngine(directory, { publications: null, ageMs: null, bytes: null })
  return {
    prepare: ({ channel, data }) => ({ kind: 'publication', channel, message: { data, format: 'bytes' } }),
    async appendBatch(items) {
      placed(await engine.append({ items }))
    },
    append: async (item) => placed(await engine.append({ items: [item] }))[0]?.offset ?? 0,
    count: async () => (await engine.head()).seq,
    close: () => engine.close(),
  }
}

/** @param {import('@fanfare/server').AppendAnswer} answer */
function placed(answer) {
  if (answer.kind !== 'placed') throw new Error(`answered ${answer.kind}`)
  return answer.placed
}
