import type { Rule } from '@fanfare/wire'
import type { Placed } from '../engine.ts'
import { ChannelTable } from './channel-table.ts'
import type { Column } from './columns.ts'
import type { Block } from './crc.ts'
import { damaged } from './damage.ts'
import { discard } from './discard.ts'
import type { Files } from './files.ts'
import {
  frameHeadBytes,
  kinds,
  padded,
  payloadLength,
  readFrame,
  recordBytes,
  recordChannel,
  recordIsWhole,
  recordKind,
  recordLength,
  recordOffset,
  recordSeq,
  recordTime,
  stepped,
} from './format.ts'
import type { PlacedRow } from './frame-writer.ts'
import { journalBegin } from './journal.ts'
import { KeyedState } from './keyed-state.ts'
import { type JournalRow, journalName, type Manifest, segmentName, type SegmentRow } from './manifest.ts'
import { readNames } from './names-file.ts'
import { readDeletion, readName, readOnce, readState } from './record-reader.ts'
import type { Recovered } from './recovery.ts'
import { loadSegment, readKeyed, type Row, type SegmentTable } from './segment.ts'
import { UnsealedIndex } from './unsealed-index.ts'

/** A line of the names file, about. */
const nameLineBytes = 56

/** Sets a number that only grows; a zero is not written, so that its memory is not taken. */
function raise(column: Column, id: number, value: number): void {
  if (value > column.get(id)) column.set(id, value)
}

/** Fills the tables in memory from the records, in the order in which they were committed. */
export class Loader {
  readonly table: ChannelTable
  readonly state = new KeyedState()
  readonly index = new UnsealedIndex()
  lastTime = 0
  forgottenThrough: number
  #sealed = 0
  /** Seqs up to here may be missing, because a repair left a segment out. */
  #lostThrough = 0
  readonly #files: Files
  readonly #manifest: Manifest

  constructor(files: Files, manifest: Manifest, rules: readonly Rule[], hashSeed: number) {
    this.#files = files
    this.#manifest = manifest
    this.forgottenThrough = manifest.forgottenThrough
    this.table = new ChannelTable(rules, hashSeed)
    this.table.names.reserve(manifest.names.length / nameLineBytes)
    readNames(files, manifest, (id, { name, since, forgotten }) => {
      if (name === undefined) this.table.forget(id, false)
      else this.table.put(id, name, since, forgotten)
    })
  }

  segment(row: SegmentRow): SegmentTable {
    if (row.firstSeq > this.#sealed + 1) this.#lostThrough = row.firstSeq - 1
    this.#sealed = row.lastSeq
    const { trailer, table, rows } = loadSegment(this.#files, row)
    for (let n = 0; n < trailer.rows; n++) this.#row(rows.read(n))
    discard([rows.block])
    const keyed = readKeyed(this.#files, row, trailer)
    for (let at = 0; at < keyed.bytes.length; at += padded(recordLength(keyed, at))) {
      if (!recordIsWhole(keyed, at, keyed.bytes.length))
        throw damaged(segmentName(row.number), trailer.runsEnd + at, 'a record of keyed state can not be read')
      this.#keyed(segmentName(row.number), keyed, at)
    }
    return table
  }

  #row(row: Row): void {
    const { table } = this
    const { id } = row
    const since = table.since.get(id)
    // Of a channel that was forgotten, or that had the number before.
    if (since === 0 || Math.max(row.lastSeq, row.deletedAt) < since) return
    const known = table.lastOffset.get(id)
    const before = table.floorOffset(id)
    raise(table.lastOffset, id, row.lastOffset)
    raise(table.lastSeq, id, row.lastSeq)
    raise(table.lastTime, id, row.lastTime)
    raise(table.totalBytes, id, row.totalBytes)
    raise(table.deletedAt, id, row.deletedAt)
    raise(table.deletedOffset, id, row.deletedOffset)
    table.applyTrimmed(id, row.trimmedOffset, row.trimmedSeq)
    // What a lost segment held counts as trimmed.
    if (this.#lostThrough > 0 && row.count > 0 && row.firstOffset > known + 1)
      table.applyTrimmed(id, row.firstOffset - 1, this.#lostThrough)
    const floor = table.floorOffset(id)
    if (row.count > 0 && row.firstOffset === floor + 1) {
      raise(table.floorBytes, id, row.firstBytes)
      table.floorTime.set(id, row.firstTime)
    } else if (floor > before) {
      table.floorBytes.set(id, table.totalBytes.get(id))
      table.floorTime.set(id, 0)
    }
    table.assignedOffset.set(id, table.lastOffset.get(id))
    table.assignedBytes.set(id, table.totalBytes.get(id))
    this.lastTime = Math.max(this.lastTime, row.lastTime)
  }

  journal({ row, block, end, before }: Recovered['journals'][number]): void {
    this.index.begin(row.number, before)
    for (let at = journalBegin; at < end;) {
      const frame = readFrame(block, at, row.size, row)!
      let place = at + frameHeadBytes
      for (let n = 0; n < frame.records; n++) {
        this.#record(row, block, place)
        place += padded(recordLength(block, place))
      }
      this.lastTime = Math.max(this.lastTime, frame.time)
      at = stepped(at + frame.length)
    }
  }

  #record(row: JournalRow, block: Block, at: number): void {
    const { table, index } = this
    const channel = recordChannel(block, at)
    const seq = recordSeq(block, at)
    const time = recordTime(block, at)
    switch (recordKind(block, at)) {
      case kinds.publication: {
        const offset = recordOffset(block, at)
        const bytes = recordBytes(block, at)
        // What stood before it is not there: a repair left it out.
        if (offset > table.lastOffset.get(channel) + 1) table.applyTrimmed(channel, offset - 1, seq - 1)
        index.addPublication(seq, at, table.lastSeq.get(channel), offset)
        table.applyPublication(channel, offset, seq, time, bytes, payloadLength(block, at))
        table.assignedOffset.set(channel, offset)
        table.assignedBytes.set(channel, bytes + payloadLength(block, at))
        return
      }
      case kinds.deletion:
        index.addDeletion(seq, at)
        return table.applyDeletion(channel, recordOffset(block, at), seq, time, readDeletion(block, at))
      case kinds.forgotten:
        this.forgottenThrough = Math.max(this.forgottenThrough, seq)
        return table.forget(channel, false)
      case kinds.name:
        return table.put(channel, readName(block, at), seq, recordOffset(block, at))
      default:
        return this.#keyed(journalName(row.number), block, at)
    }
  }

  /** Records of keyed state; what is none of these was written by a newer version. */
  #keyed(file: string, block: Block, at: number): void {
    const kind = recordKind(block, at)
    if (kind === kinds.once) {
      const { key, print, expires, placed } = readOnce(block, at)
      this.state.putOnce(
        { key, print, expires },
        placed.map((row) => this.#placed(row)),
        0,
      )
    } else if (kind === kinds.state) {
      const { key, value, expires } = readState(block, at)
      this.state.putValue(key, value, expires, 0)
    } else throw damaged(file, at, `its record has kind ${kind}, which this version does not know`)
  }

  #placed({ channel, start, offset, seq, time }: PlacedRow): Placed {
    return {
      channel: this.table.names.name(channel) ?? '',
      offset,
      seq,
      time,
      mark: this.#manifest.store + (this.#manifest.starts[start - 1]?.id ?? ''),
      replayed: true,
    }
  }
}
