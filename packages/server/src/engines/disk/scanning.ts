import { newBlock } from './crc.ts'
import { type Files, withFile } from './files.ts'
import { kinds, padded, recordChannel, recordKind, recordLength, recordSeq, recordTime } from './format.ts'
import type { Entries, Entry } from './entries.ts'
import { type SegmentRow, segmentName } from './manifest.ts'
import { Forward, RowCursor } from './merging.ts'
import { readPublication } from './record-reader.ts'
import { readTrailer, segmentBegin } from './segment.ts'

const scanBytes = 8 * 1024 * 1024

export interface ScanJob {
  readonly segment: SegmentRow
  readonly lower: number
  readonly through: number
}

/**
 * What a segment still holds of the seqs after `lower`, in their order, some MiB at a time. A segment is grouped by channel, so each call goes through all of
 * it: only a follower that begins far behind the head needs this, and nothing else does.
 */
export function scanSegment(files: Files, { segment, lower, through }: ScanJob): Entries {
  const seqs = Math.max(1, segment.lastSeq - segment.firstSeq + 1)
  const window = Math.max(64, Math.floor((scanBytes * seqs) / segment.length))
  const upper = Math.min(through, segment.lastSeq, Math.max(lower, segment.firstSeq - 1) + window)
  const entries: Entry[] = []
  withFile(files, segmentName(segment.number), (file) => {
    const { trailer } = readTrailer(file, segment)
    const forward = new Forward(file, trailer.runsEnd)
    for (let place = segmentBegin; place < trailer.runsEnd;) {
      const { block, at } = forward.record(place)
      const length = recordLength(block, at)
      const seq = recordSeq(block, at)
      if (seq > lower && seq <= upper && recordKind(block, at) === kinds.publication) {
        const own = newBlock(length)
        own.bytes.set(block.bytes.subarray(at, at + length))
        entries.push({ id: recordChannel(block, at), seq, time: recordTime(block, at), publication: readPublication(own, 0, '') })
      }
      place += padded(length)
    }
    for (const rows = new RowCursor(file, trailer); rows.row !== undefined; rows.advance()) {
      const { id, deletedAt, lastTime } = rows.row
      if (deletedAt > lower && deletedAt <= upper) entries.push({ id, seq: deletedAt, time: lastTime, publication: undefined })
    }
  })
  return { through: upper, entries: entries.sort((a, b) => a.seq - b.seq) }
}
