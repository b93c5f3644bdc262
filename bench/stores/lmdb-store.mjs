import { open } from 'lmdb'

/**
 * lmdb as one would use it for this: a key of channel and offset, the payload as it is, answered when it is flushed.
 * @param {string} directory
 * @returns {import('./store.mjs').Store}
 */
export function openLmdbStore(directory) {
  const db = open({ path: `${directory}/lmdb`, encoding: 'binary', compression: false, cache: false, mapSize: 16 * 2 ** 30 })
  /** @type {Map<string, number>} */
  const offsets = new Map()
  const put = (/** @type {import('./store.mjs').BenchRecord} */ record) => {
    const offset = (offsets.get(record.channel) ?? 0) + 1
    offsets.set(record.channel, offset)
    return { offset, done: db.put([record.channel, offset], record.data) }
  }
  return {
    prepare: (record) => record,
    async appendBatch(records) {
      let last
      for (const record of records) last = put(record).done
      await last
      await db.flushed
    },
    async append(record) {
      const { offset, done } = put(record)
      await done
      await db.flushed
      return offset
    },
    count: async () => db.getKeysCount(),
    close: () => db.close(),
  }
}
