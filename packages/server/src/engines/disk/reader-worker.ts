import { parentPort, workerData } from 'node:worker_threads'
import { nodeFiles } from './files.ts'
import { replyTo } from './lane-worker.ts'
import { handleRead, type ReaderQuestion } from './reader-lane.ts'
import { PageReader } from './page-reader.ts'

const { directory } = workerData as { directory: string }
const reader = new PageReader(nodeFiles(directory))
const port = parentPort!
port.on('message', ({ number, question }: { number: number; question: ReaderQuestion }) =>
  port.postMessage(replyTo(number, () => handleRead(reader, question))),
)
