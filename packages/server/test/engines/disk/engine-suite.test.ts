import { engineSuite } from '@fanfare/conformance'
import { openDiskEngine } from '../../../src/engines/disk/disk-engine.ts'

engineSuite({ name: 'disk', open: (options, directory) => openDiskEngine({ ...options, directory }), durable: true, runs: 6 })
// Journals so small that they are sealed and merged all the time.
engineSuite({
  name: 'disk, sealing all the time,',
  open: (options, directory) =>
    openDiskEngine({ ...options, directory, journalBytes: 8192, journalMostBytes: 16_384, mergeFromBytes: 4096 }),
  durable: true,
  runs: 6,
})
