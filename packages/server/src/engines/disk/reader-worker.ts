import { parentPort, workerData } from 'node:worker_threads'
import { nodeFiles } from './files.ts'
import { serveLane } from './lane-worker.ts'
import { handleRead, type ReaderQuestion } from './reader-lane.ts'
import { PageReader } from './page-reader.ts'

const { directory } = workerData as { directory: string }
const reader = new PageReader(nodeFiles(directory))
serveLane(parentPort!, (question: ReaderQuestion) => handleRead(reader, question))
