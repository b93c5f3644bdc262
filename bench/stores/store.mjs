/**
 * What the measurements ask of a store. All of them are durable: an append is answered after its `fdatasync`.
 *
 * @typedef {object} Store
 * @property {(record: BenchRecord) => any} prepare what its own caller would have at hand already; the next two take it
 * @property {(records: readonly any[]) => Promise<void>} appendBatch one atomic batch, committed when it resolves
 * @property {(record: any) => Promise<number>} append one record for itself, any number at once; answers its offset
 * @property {() => Promise<number>} [count] how many records it holds
 * @property {() => Promise<void>} close
 *
 * @typedef {object} BenchRecord
 * @property {string} channel
 * @property {Buffer} data
 */

/** A record of the log: 40 bytes of header and the payload. The floors write as many. */
export const recordHeaderBytes = 40

/** @param {string} name @param {string} directory @returns {Promise<Store>} */
export async function openStore(name, directory) {
  switch (name) {
    case 'fanfare':
      return (await import('./fanfare-store.mjs')).openFanfareStore(directory)
    case 'lmdb':
      return (await import('./lmdb-store.mjs')).openLmdbStore(directory)
    case 'floor-append':
      return (await import('./floor-store.mjs')).openFloorStore(directory, { zeroed: false })
    case 'floor-zeroed':
      return (await import('./floor-store.mjs')).openFloorStore(directory, { zeroed: true })
    case 'pool':
      return (await import('./pool-store.mjs')).openPoolStore(directory)
    default:
      throw new Error(`no store ${name}`)
  }
}
