import type { Files } from './files.ts'
import { Keeper, type KeeperAnswer, type KeeperQuestion } from './keeper.ts'
import { type Lane, localLane, workerLane } from './lane.ts'
import type { Manifest } from './manifest.ts'

export type KeeperLane = Lane<KeeperQuestion, KeeperAnswer>

export interface KeeperData {
  readonly directory: string
  readonly manifest: Manifest
  readonly storageBytes: number
}

export const workerKeeperLane = (data: KeeperData): KeeperLane => workerLane('keeper-worker', data)

export function localKeeperLane(files: Files, { manifest, storageBytes }: KeeperData, soon: (call: () => void) => void): KeeperLane {
  const keeper = new Keeper(files, manifest, storageBytes)
  return localLane(
    (question: KeeperQuestion) => keeper.handle(question),
    soon,
    () => undefined,
  )
}
