import type { SegmentRow } from './manifest.ts'

const neighbours = 8
const MiB = 1024 * 1024

/** Merging ends at this size: eight of 64 MiB. */
export const segmentMostBytes = 512 * MiB

/**
 * Which neighbours to merge, if any: eight of a size, the smallest sizes first, so that each byte is written once a size and the runs of a channel stay
 * few. `smallest` is the size of the lowest tier.
 */
export function chooseMerge(segments: readonly SegmentRow[], most = segmentMostBytes, smallest = MiB): readonly SegmentRow[] | undefined {
  const tiers = segments.map(({ length }) => Math.max(0, Math.ceil(Math.log(length / smallest) / Math.log(neighbours))))
  const highest = Math.max(0, ...tiers)
  for (let tier = 0; tier <= highest; tier++) {
    for (let from = 0; from + neighbours <= segments.length; from++) {
      const chosen = segments.slice(from, from + neighbours)
      const fits = chosen.every((_, n) => tiers[from + n]! <= tier) && chosen.reduce((sum, { length }) => sum + length, 0) <= most
      if (fits) return chosen
    }
  }
  return undefined
}

/** Is so little of it kept, less than `share`, that it is worth writing anew? */
export function wantsCompaction({ length, records, rows }: SegmentRow, live: number, share: number): boolean {
  return records > 0 && live < (length - rows * 104) * share
}
