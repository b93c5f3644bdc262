// The server that is measured, embedded as an application would.
import { createServer } from '@fanfare/server'
import { answerParent } from '../lib/child.mjs'
import { keepQueued } from '../lib/pbkdf2.mjs'
import { openEngine } from '../stores/fanfare-store.mjs'

const { port, engine, directory, keep } = JSON.parse(process.argv[2] ?? '{}')
const begun = performance.now()
const server = await createServer({
  listen: `127.0.0.1:${port}`,
  engine: engine === 'disk' ? () => openEngine(directory, keep) : 'memory',
  ...(keep === undefined ? {} : { rules: [{ match: '**', keep }] }),
})
await server.listen()
const openMs = performance.now() - begun

/** @type {() => Promise<void>} */
let endQueue = async () => undefined

answerParent({
  ready: () => ({ openMs }),
  /** @param {number} count */
  queue(count) {
    endQueue = keepQueued(count)
  },
  endQueue: () => endQueue(),
  stop: () => server.close(),
})
