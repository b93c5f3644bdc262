import { closeSync, fdatasyncSync, fsyncSync, openSync, writeSync } from 'node:fs'
import { recordHeaderBytes } from './store.mjs'

const zeroedBytes = 64 * 2 ** 20

/**
 * The bare loop: a batch's bytes in one write, then fdatasync, on the loop, nothing else. `zeroed`: into a file that was written out before and is used
 * again from the start when it is full; else at the end of a file that grows.
 * @param {string} directory
 * @param {{ zeroed: boolean }} options
 * @returns {import('./store.mjs').Store}
 */
export function openFloorStore(directory, { zeroed }) {
  const file = openSync(`${directory}/floor`, 'w+')
  if (zeroed) writeOut(file)
  const bytes = Buffer.alloc(4 * 2 ** 20, 0x61)
  let place = 0
  const commit = (/** @type {number} */ length) => {
    if (zeroed && place + length > zeroedBytes) place = 0
    writeSync(file, bytes, 0, length, place)
    fdatasyncSync(file)
    place += length
  }

  /** @type {Map<string, number>} */
  const offsets = new Map()
  let waiting = 0
  /** @type {(() => void)[]} */
  let answers = []
  const commitWaiting = () => {
    const commits = answers
    const length = waiting
    answers = []
    waiting = 0
    commit(length)
    for (const answer of commits) answer()
  }

  return {
    prepare: (record) => record,
    async appendBatch(records) {
      let length = 0
      for (const record of records) length += recordHeaderBytes + record.data.length
      commit(length)
    },
    append(record) {
      if (answers.length === 0) setImmediate(commitWaiting)
      waiting += recordHeaderBytes + record.data.length
      const own = (offsets.get(record.channel) ?? 0) + 1
      offsets.set(record.channel, own)
      return new Promise((resolve) => answers.push(() => resolve(own)))
    },
    close: async () => closeSync(file),
  }
}

/** @param {number} file */
function writeOut(file) {
  const zeros = Buffer.alloc(2 ** 20)
  for (let place = 0; place < zeroedBytes; place += zeros.length) writeSync(file, zeros, 0, zeros.length, place)
  fsyncSync(file)
}
