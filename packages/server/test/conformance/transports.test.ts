import { freePort, seededChance, suiteRules, transportSuite } from '@fanfare/conformance'
import { createServer } from '../../src/create-server.ts'
import { openMemoryEngine } from '../../src/engines/memory-engine.ts'
import type { EngineOptions } from '../../src/engines/engine.ts'

transportSuite({
  name: 'a server in memory',
  durable: false,
  underFaults: true,
  async start(fault = (engine) => engine) {
    const engine = async (options: EngineOptions) => fault(await openMemoryEngine(options), seededChance(5))
    const options = { listen: await freePort(), rules: suiteRules, transports: 'all' as const, engine }
    let server = await createServer(options)
    return {
      url: await server.listen(),
      async restart() {
        await server.close()
        server = await createServer(options)
        await server.listen()
      },
      close: () => server.close(),
    }
  },
})
