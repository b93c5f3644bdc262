import type { Files } from './files.ts'
import { Keeper, type KeeperAnswer, type KeeperOptions, type KeeperQuestion } from './keeper.ts'
import { type Lane, localLane, workerLane } from './lane.ts'
import type { Manifest } from './manifest.ts'

export type KeeperLane = Lane<KeeperQuestion, KeeperAnswer>

export interface KeeperData extends KeeperOptions {
  readonly directory: string
  readonly manifest: Manifest
}

export const workerKeeperLane = (data: KeeperData): KeeperLane => workerLane('keeper-worker', data)

export function localKeeperLane(files: Files, data: KeeperData, soon: (call: () => void) => void): KeeperLane {
  const keeper = new Keeper(files, data.manifest, data)
  return localLane(
    (question: KeeperQuestion) => runToEnd(keeper.handle(question)),
    soon,
    () => undefined,
  )
}

/** Runs work without its pauses. */
export function runToEnd<T>(work: Generator<void, T>): T {
  for (;;) {
    const step = work.next()
    if (step.done === true) return step.value
  }
}
