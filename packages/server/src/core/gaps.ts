import type { GapReason } from '@fanfare/wire'

/** What is known of a channel's lost ground. Offsets are null where they can not be known. */
export interface Ground {
  readonly deletedAt: number
  /** Offset of the last publication before that deletion. */
  readonly deletedOffset: number | null
  readonly trimmedSeq: number
  readonly trimmedOffset: number | null
  /** Place and offset of the newest publication that is known, 0 and null where none is. */
  readonly lastSeq: number
  readonly lastOffset: number | null
}

/** Why a cursor's place is void before any fact of the channel is looked at. */
export type Void = { readonly reason: 'new-log' } | { readonly reason: 'diverged'; readonly common: number | null }

export interface GapDecision {
  readonly reason: GapReason
  /** The channel goes on from here. */
  readonly at: number
  /** Offset of the last publication up to `at`, where it is known. */
  readonly offset: number | null
}

/** The place before the oldest kept publication. */
export function oldestPlace(ground: Ground): number {
  return Math.max(ground.deletedAt, ground.trimmedSeq)
}

/** What a part at this place has to be told before it goes on, if anything: one notice, the first reason that applies. */
export function decideGap(place: number, broken: Void | undefined, ground: Ground): GapDecision | undefined {
  const oldest = oldestPlace(ground)
  if (broken !== undefined) {
    const common = broken.reason === 'diverged' ? (broken.common ?? 0) : 0
    return { reason: broken.reason, at: Math.max(common, oldest), offset: null }
  }
  if (ground.deletedAt > place) return { reason: 'deleted', at: oldest, offset: offsetAt(oldest, ground) }
  if (ground.trimmedSeq > place) return { reason: 'trimmed', at: oldest, offset: offsetAt(oldest, ground) }
  return undefined
}

/** `onGap: latest`: the same gap, but on from the newest that the feed has brought. */
export function toNewest(gap: GapDecision, ground: Ground, feed: number): GapDecision {
  const newest = Math.max(ground.deletedAt, ground.trimmedSeq, ground.lastSeq)
  const at = Math.max(gap.at, Math.min(newest, feed))
  return { reason: gap.reason, at, offset: at === gap.at ? gap.offset : offsetAt(at, ground) }
}

/** Publications lost, where both offsets are known. */
export function missedBetween(lastOffset: number | null, gap: GapDecision): number | null {
  return lastOffset === null || gap.offset === null ? null : Math.max(0, gap.offset - lastOffset)
}

function offsetAt(place: number, ground: Ground): number | null {
  if (place === ground.trimmedSeq && ground.trimmedOffset !== null) return ground.trimmedOffset
  if (ground.lastSeq > 0 && ground.lastSeq <= place) return ground.lastOffset
  return place === ground.deletedAt ? ground.deletedOffset : null
}
