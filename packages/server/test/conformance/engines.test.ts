import { engineSuite } from '@fanfare/conformance'
import { openDiskEngine } from '../../src/engines/disk/disk-engine.ts'
import { openMemoryEngine } from '../../src/engines/memory-engine.ts'

engineSuite({ name: 'memory', durable: false, runs: 100, open: (options) => openMemoryEngine(options) })
engineSuite({ name: 'disk', durable: true, runs: 12, open: (options, directory) => openDiskEngine({ ...options, directory }) })
