import type { Keep } from '@fanfare/wire'

/** What decides whether a record is kept, as the threads see it: columns of the channel table by shared memory, and the rules with their horizons. */
export interface BoundsData {
  readonly lastOffset: readonly Float64Array[]
  readonly totalBytes: readonly Float64Array[]
  readonly deletedAt: readonly Float64Array[]
  readonly since: readonly Float64Array[]
  readonly rule: readonly Uint16Array[]
  readonly keeps: readonly Keep[]
  /** A record of this time or before is too old for the rule; -1 where age does not count. */
  readonly horizons: readonly number[]
}

export const gone = { no: 0, trimmed: 1, deleted: 2 } as const

/**
 * Decides what a segment need not hold any more. All bounds only grow, so what is gone once is gone for every reader after: dropping it can not take
 * away what anybody may still be given.
 */
export class Bounds {
  readonly #data: BoundsData

  constructor(data: BoundsData) {
    this.#data = data
  }

  /** `bytesBefore` is that of the record. */
  isGone(id: number, offset: number, seq: number, time: number, bytesBefore: number): number {
    const data = this.#data
    const part = id >>> 16
    const row = id & 0xffff
    const since = data.since[part]?.[row] ?? 0
    // Not a channel's any more, or of one that had the number before.
    if (since === 0 || seq < since || seq < (data.deletedAt[part]?.[row] ?? 0)) return gone.deleted
    const rule = data.rule[part]![row]!
    const { publications, bytes } = data.keeps[rule]!
    if (publications !== null && offset <= data.lastOffset[part]![row]! - publications) return gone.trimmed
    if (bytes !== null && bytesBefore < data.totalBytes[part]![row]! - bytes) return gone.trimmed
    return time <= data.horizons[rule]! ? gone.trimmed : gone.no
  }

  /** First seq of the channel that has this number now; 0 where none has. */
  since(id: number): number {
    return this.#data.since[id >>> 16]?.[id & 0xffff] ?? 0
  }
}
