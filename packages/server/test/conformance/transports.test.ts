import { freePort, heartbeatSuite, seededChance, suiteRules, transportSuite } from '@fanfare/conformance'
import type { ServerRow } from '@fanfare/conformance'
import { createServer } from '../../src/create-server.ts'
import { openMemoryEngine } from '../../src/engines/memory-engine.ts'
import type { EngineOptions } from '../../src/engines/engine.ts'
import type { ServerOptions } from '../../src/options.ts'
import { observeClients } from '../support/observe-clients.ts'

function inMemory(name: string, more: ServerOptions = {}): ServerRow {
  return {
    name,
    durable: false,
    underFaults: true,
    async start(fault = (engine) => engine) {
      const engine = async (options: EngineOptions) => fault(await openMemoryEngine(options), seededChance(5))
      const options = { listen: await freePort(), rules: suiteRules, transports: 'all' as const, engine, ...more }
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
  }
}

observeClients()
transportSuite(inMemory('a server in memory'))
heartbeatSuite(inMemory('a server in memory', { limits: { heartbeatMs: 300, pingMs: 300 } }))
