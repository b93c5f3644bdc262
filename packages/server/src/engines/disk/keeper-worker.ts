import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { parentPort, workerData } from 'node:worker_threads'
import { nodeFiles } from './files.ts'
import { Keeper, type KeeperAnswer, type KeeperQuestion } from './keeper.ts'
import type { KeeperData } from './keeper-lane.ts'
import { replyTo } from './lane-worker.ts'

const data = workerData as KeeperData
const keeper = new Keeper(nodeFiles(data.directory), data.manifest, data)
const port = parentPort!

// A seal or merge leaves the tables of a whole journal behind, and this thread may idle for hours afterwards, in which V8 would collect nothing.
setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

port.on('message', ({ number, question }: { number: number; question: KeeperQuestion }) => advance(number, keeper.handle(question)))

/** Goes on to the next pause; what came in meanwhile goes first, so that a merge gives way to a seal. */
function advance(number: number, work: Generator<void, KeeperAnswer>): void {
  const reply = replyTo(number, () => {
    const step = work.next()
    return step.done === true ? step.value : undefined
  })
  if (!('error' in reply) && reply.answer === undefined) {
    setImmediate(() => advance(number, work))
    return
  }
  port.postMessage(reply)
  if (!('error' in reply) && reply.answer?.segment !== undefined) collect()
}
