import { type SegmentRow, segmentName } from './manifest.ts'
import type { Piece } from './page-reader.ts'
import type { SegmentTable } from './segment.ts'

export interface LoadedSegment {
  readonly row: SegmentRow
  readonly table: SegmentTable
}

/** The sealed part of the store, oldest first: finds where the records of a channel stand. */
export class SegmentList {
  #segments: readonly LoadedSegment[] = []

  get all(): readonly LoadedSegment[] {
    return this.#segments
  }

  /** Puts a segment in the place of some neighbours, or at the end. */
  replace(removed: readonly number[], added: LoadedSegment): void {
    const at = this.#segments.findIndex(({ row }) => removed.includes(row.number))
    const rest = this.#segments.filter(({ row }) => !removed.includes(row.number))
    this.#segments = at < 0 ? [...rest, added] : rest.toSpliced(at, 0, added)
  }

  /** Where the publications of a channel with a seq in (lower, through] may stand; the first piece begins at most 128 records before. */
  pieces(id: number, lower: number, through: number): Piece[] {
    const pieces: Piece[] = []
    for (const { row, table } of this.#segments) {
      if (row.lastSeq <= lower || row.firstSeq > through) continue
      const run = findRun(table, id)
      if (run < 0) continue
      const to = table.places[run + 1] ?? table.end
      pieces.push({ kind: 'run', file: segmentName(row.number), from: startIn(table, table.places[run]!, to, table.markSeqs, lower), to })
    }
    return pieces
  }

  /** Where the publication with this offset stands, if it is kept: somewhere in the piece, at most 128 records from its begin. */
  pieceOfOffset(id: number, offset: number): Piece | undefined {
    for (const { row, table } of this.#segments.toReversed()) {
      const run = findRun(table, id)
      if (run < 0 || table.firstLow[run]! + table.firstHigh[run]! * 0x1_0000_0000 > offset) continue
      const to = table.places[run + 1] ?? table.end
      return { kind: 'run', file: segmentName(row.number), from: startIn(table, table.places[run]!, to, table.markOffsets, offset), to }
    }
    return undefined
  }
}

function findRun({ ids }: SegmentTable, id: number): number {
  const at = lowerBound(ids, id, 0, ids.length)
  return ids[at] === id ? at : -1
}

/** The last mark of a run whose value is at most `value`, or the run's begin. */
function startIn({ markPlaces }: SegmentTable, from: number, to: number, values: Float64Array, value: number): number {
  const first = lowerBound(markPlaces, from, 0, markPlaces.length)
  const end = lowerBound(markPlaces, to, first, markPlaces.length)
  let at = lowerBound(values, value + 1, first, end)
  return at === first ? from : markPlaces[--at]!
}

/** Index of the first element that is not less than `value`. */
function lowerBound(values: Uint32Array | Float64Array, value: number, from: number, to: number): number {
  let low = from
  let high = to
  while (low < high) {
    const middle = (low + high) >>> 1
    if (values[middle]! < value) low = middle + 1
    else high = middle
  }
  return low
}
