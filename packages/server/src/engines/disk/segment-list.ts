import type { Piece } from './page-reader.ts'

/** The sealed part of the store, oldest first. */
export class SegmentList {
  pieceOfOffset(_id: number, _offset: number): Piece | undefined {
    return undefined
  }

  pieces(_id: number, _lower: number, _through: number): Piece[] {
    return []
  }
}
