import { makeBed } from './bed.ts'
import type { Bed, BedParts } from './bed.ts'
import type { Taker } from './taker.ts'

/** A bed for one check. */
export interface Scope {
  readonly bed: Bed
  readonly takers: readonly Taker[]
  /** Closes what was opened on it. */
  end(): Promise<void>
}

export function openScope(parts: Omit<BedParts, 'onEnd' | 'onTake'>): Scope {
  const closers: (() => Promise<void> | void)[] = []
  const takers: Taker[] = []
  const bed = makeBed({ ...parts, onEnd: (close) => void closers.push(close), onTake: (taker) => void takers.push(taker) })
  return {
    bed,
    takers,
    async end() {
      for (const close of closers.splice(0).toReversed()) await close()
    },
  }
}
