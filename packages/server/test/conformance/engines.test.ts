import { engineSuite } from '@fanfare/conformance'
import { openMemoryEngine } from '../../src/engines/memory-engine.ts'

engineSuite({ name: 'memory', durable: false, runs: 100, open: (options) => openMemoryEngine(options) })
