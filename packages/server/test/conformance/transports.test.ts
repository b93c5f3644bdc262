import { freePort, seededChance, suiteRules, transportSuite } from '@fanfare/conformance'
import type { EngineFault } from '@fanfare/conformance'
import { createServer } from '../../src/create-server.ts'
import { openMemoryEngine } from '../../src/engines/memory-engine.ts'

transportSuite({
  name: 'a server in memory',
  async start(fault: EngineFault = (engine) => engine) {
    const server = await createServer({
      listen: await freePort(),
      rules: suiteRules,
      engine: async (options) => fault(await openMemoryEngine(options), seededChance(5)),
    })
    return { url: await server.listen(), close: () => server.close() }
  },
})
