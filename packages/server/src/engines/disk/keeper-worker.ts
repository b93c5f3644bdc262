import { parentPort, workerData } from 'node:worker_threads'
import { nodeFiles } from './files.ts'
import { Keeper, type KeeperQuestion } from './keeper.ts'
import type { KeeperData } from './keeper-lane.ts'
import { serveLane } from './lane-worker.ts'

const { directory, manifest, storageBytes } = workerData as KeeperData
const keeper = new Keeper(nodeFiles(directory), manifest, storageBytes)
serveLane(parentPort!, (question: KeeperQuestion) => keeper.handle(question))
