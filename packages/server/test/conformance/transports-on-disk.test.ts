import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, suiteRules, transportSuite } from '@fanfare/conformance'
import { createServer } from '../../src/create-server.ts'
import { observeClients } from '../support/observe-clients.ts'

observeClients()
transportSuite({
  name: 'a server on disk',
  durable: true,
  underFaults: false,
  async start() {
    const data = await mkdtemp(join(tmpdir(), 'fanfare-transports-'))
    const options = { listen: await freePort(), rules: suiteRules, transports: 'all' as const, data }
    let server = await createServer(options)
    return {
      url: await server.listen(),
      async restart() {
        await server.close()
        server = await createServer(options)
        await server.listen()
      },
      async close() {
        await server.close()
        await rm(data, { recursive: true, force: true })
      },
    }
  },
})
