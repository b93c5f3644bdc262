import { once } from 'node:events'
import { createServer } from 'node:net'

let next = 20_000 + (process.pid % 1000) * 10

/** A port below the range from which the system takes its own. */
export async function freePort() {
  for (;;) {
    next = next >= 32_000 ? 20_000 : next + 1
    const probe = createServer()
    probe.listen(next, '127.0.0.1')
    const free = await Promise.race([once(probe, 'listening').then(() => true), once(probe, 'error').then(() => false)]).catch(() => false)
    if (!free) continue
    probe.close()
    await once(probe, 'close')
    return next
  }
}
