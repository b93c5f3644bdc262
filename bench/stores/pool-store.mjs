import { open } from 'node:fs/promises'
import { recordHeaderBytes } from './store.mjs'

/**
 * Write and fdatasync as `node:fs` offers them to everybody: in Node's thread pool, which the whole process shares.
 * @param {string} directory
 * @returns {Promise<import('./store.mjs').Store>}
 */
export async function openPoolStore(directory) {
  const file = await open(`${directory}/pool`, 'w+')
  const bytes = Buffer.alloc(2 ** 20, 0x61)
  let place = 0
  let offset = 0
  const commit = async (/** @type {number} */ length) => {
    const at = place
    place += length
    await file.write(bytes, 0, length, at)
    await file.datasync()
  }
  return {
    prepare: (record) => record,
    appendBatch: (records) => commit(records.reduce((sum, record) => sum + recordHeaderBytes + record.data.length, 0)),
    async append(record) {
      await commit(recordHeaderBytes + record.data.length)
      return ++offset
    },
    close: () => file.close(),
  }
}
