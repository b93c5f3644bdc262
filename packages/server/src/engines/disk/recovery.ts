import { type Block, newBlock } from './crc.ts'
import { damaged } from './damage.ts'
import { type Files, withFile } from './files.ts'
import {
  type FrameHead,
  frameHeadBytes,
  frameStep,
  isAbove,
  padded,
  readFrame,
  recordIsWhole,
  recordKind,
  recordLength,
  recordSeq,
  stepped,
  type SyncedPlace,
  takesSeq,
} from './format.ts'
import { journalBegin, readJournal } from './journal.ts'
import { type JournalRow, journalName } from './manifest.ts'

export interface RecoveredJournal {
  readonly row: JournalRow
  readonly block: Block
  /** Where its accepted frames end; the next one begins here. */
  readonly end: number
  /** Seq before its first frame. */
  readonly before: number
}

export interface Recovered {
  readonly journals: readonly RecoveredJournal[]
  /** Seq of the newest accepted entry. */
  readonly head: number
  /** Number of the start that wrote the last accepted frame. */
  readonly start: number
  readonly synced: SyncedPlace
  /** Only where damage may be cut: what was cut beyond a torn tail. */
  readonly cutAt: SyncedPlace | undefined
}

const nothing = newBlock(0)

interface Walk {
  seq: number
  start: number
  synced: SyncedPlace
}

/**
 * Reads the journals that are not sealed, up to the first frame that does not follow. What lies behind decides: a valid frame there that names
 * a synced place above it proves that it was synced, so it is damage, and the start is refused (`cutDamage` cuts it instead); else it is the
 * torn tail of a write that nobody was told of.
 */
export function recoverJournals(files: Files, rows: readonly JournalRow[], sealedSeq: number, cutDamage = false): Recovered {
  const walk: Walk = { seq: sealedSeq, start: 0, synced: { generation: 0, place: 0 } }
  const journals: RecoveredJournal[] = []
  const named = new Map<number, number>()
  let unused: Block | undefined
  for (const row of rows) {
    const block = readJournal(files, row, unused)
    const before = walk.seq
    const end = walkJournal(row, block, walk)
    noteNamed({ row, block, end, before }, named)
    // One that holds nothing needs no memory of its own.
    unused = end === journalBegin ? block : undefined
    journals.push({ row, block: end === journalBegin ? nothing : block, end, before })
  }
  const recovered = { journals, head: walk.seq, start: walk.start, synced: walk.synced, cutAt: undefined }
  const damage = findDamage(journals, named)
  if (damage === undefined) return recovered
  const { row } = journals[damage.index]!
  if (!cutDamage)
    throw damaged(
      journalName(row.number),
      damage.place,
      'a frame that was synced can not be read, and later ones are there; from here on, nothing can be trusted',
    )
  return { ...recovered, journals: journals.slice(0, damage.index + 1), cutAt: { generation: row.generation, place: damage.place } }
}

/** Accepts frames as long as they follow; returns where they end. */
function walkJournal(row: JournalRow, block: Block, walk: Walk): number {
  let at = journalBegin
  while (at < row.size) {
    const frame = readFrame(block, at, row.size, row)
    if (frame === undefined || frame.firstSeq !== walk.seq + 1 || frame.start < walk.start) break
    const seq = lastSeqOf(block, at, frame)
    if (seq === undefined) break
    walk.seq = seq
    walk.start = frame.start
    if (isAbove(frame.synced, walk.synced)) walk.synced = frame.synced
    at = stepped(at + frame.length)
  }
  return at
}

/** Walks a frame's records; undefined where they are not what the frame says. */
function lastSeqOf(block: Block, at: number, frame: FrameHead): number | undefined {
  const end = at + frame.length
  let seq = frame.firstSeq - 1
  let place = at + frameHeadBytes
  for (let n = 0; n < frame.records; n++) {
    if (!recordIsWhole(block, place, end)) return undefined
    if (takesSeq(recordKind(block, place)) && recordSeq(block, place) !== ++seq) return undefined
    place += padded(recordLength(block, place))
  }
  return place === end ? seq : undefined
}

/** The first journal whose accepted frames end below a place that any valid frame, accepted or not, calls synced. */
function findDamage(
  journals: readonly RecoveredJournal[],
  named: ReadonlyMap<number, number>,
): { readonly index: number; readonly place: number } | undefined {
  const index = journals.findIndex(({ row, end }) => (named.get(row.generation) ?? 0) > end)
  return index < 0 ? undefined : { index, place: journals[index]!.end }
}

/** Notes for each generation the highest place that a frame of this journal calls synced; looks behind the accepted ones at every place where one may begin. */
function noteNamed({ row, block, end }: RecoveredJournal, named: Map<number, number>): void {
  for (let at = journalBegin; at < row.size; at += frameStep) {
    const frame = readFrame(block, at, row.size, row)
    if (frame === undefined) continue
    const { generation, place } = frame.synced
    named.set(generation, Math.max(named.get(generation) ?? 0, place))
    if (at < end) at = stepped(at + frame.length) - frameStep
  }
}

/**
 * Writes the frames above the last named place again and syncs them: they were read, but a cache may have held them that was never on the disk
 * (after kill -9, or a failed sync that left its pages clean). Returns the place that is synced now.
 */
export function secureTail(files: Files, recovered: Recovered): SyncedPlace {
  let last = recovered.synced
  for (const { row, block, end } of recovered.journals) {
    const named =
      row.generation < recovered.synced.generation
        ? end
        : row.generation === recovered.synced.generation
          ? recovered.synced.place
          : journalBegin
    if (end > named) {
      withFile(files, journalName(row.number), (file) => {
        file.write(block.bytes.subarray(named, end), named)
        file.sync()
      })
    }
    if (end > journalBegin || last.generation === 0) last = { generation: row.generation, place: end }
  }
  return last
}
