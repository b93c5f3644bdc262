import { Buffer } from 'node:buffer'
import type { Limits, Rule } from '@fanfare/wire'
import type { Placed } from '../engine.ts'
import { ChannelTable } from './channel-table.ts'
import type { Block } from './crc.ts'
import { damaged } from './damage.ts'
import type { Files } from './files.ts'
import {
  frameHeadBytes,
  kinds,
  padded,
  payloadLength,
  readFrame,
  recordBytes,
  recordChannel,
  recordKind,
  recordLength,
  recordOffset,
  recordSeq,
  recordTime,
  stepped,
  type SyncedPlace,
} from './format.ts'
import type { PlacedRow } from './frame-writer.ts'
import { journalBegin, prepareJournal } from './journal.ts'
import { KeyedState } from './keyed-state.ts'
import { type JournalRow, journalName, type Manifest, readManifest, removeStrays, replaceManifest } from './manifest.ts'
import { readDeletion, readName, readOnce, readState } from './record-reader.ts'
import { type Recovered, recoverJournals, secureTail } from './recovery.ts'
import { UnsealedIndex } from './unsealed-index.ts'

export interface OpeningOptions {
  readonly rules: readonly Rule[]
  readonly limits: Limits
  readonly random: (count: number) => Uint8Array
  readonly now: number
  /** Size of the first journal. */
  readonly journalBytes: number
  readonly repair: boolean
}

export interface OpenedStore {
  readonly manifest: Manifest
  readonly table: ChannelTable
  readonly state: KeyedState
  readonly index: UnsealedIndex
  readonly synced: SyncedPlace
  /** The journal that goes on, and where. */
  readonly current: { readonly row: JournalRow; readonly place: number }
  /** Behind it, ready for use. */
  readonly spares: readonly JournalRow[]
  readonly head: number
  readonly lastTime: number
}

/** Opens a store, or makes a new one. Nothing is served before its tail is secured and its start is in the manifest. */
export function openStore(files: Files, options: OpeningOptions): OpenedStore {
  const found = readManifest(files)
  removeStrays(files, found)
  const manifest = found ?? newManifest(files, options)
  const sealedSeq = manifest.segments.at(-1)?.lastSeq ?? 0
  const recovered = recoverJournals(files, manifest.journals, sealedSeq, options.repair)
  const synced = secureTail(files, recovered)
  const loaded = new Loader(manifest, options)
  for (const journal of recovered.journals) loaded.journal(journal)
  const { table, state, index } = loaded
  table.collectFree()
  state.expire(options.now, true)
  const started = { ...manifest, starts: [...manifest.starts, { id: identifier(options.random), first: recovered.head + 1 }] }
  replaceManifest(files, started)
  return { manifest: started, table, state, index, synced, ...splitJournals(recovered), head: recovered.head, lastTime: loaded.lastTime }
}

/** 8 characters of base64url. */
export const identifier = (random: (count: number) => Uint8Array): string => Buffer.from(random(6)).toString('base64url')

/** A secret that no payload can know, and never 0, which is what an empty journal holds. */
export function newNonce(random: (count: number) => Uint8Array): number {
  const bytes = random(4)
  return (Buffer.from(bytes.buffer, bytes.byteOffset, 4).readUInt32LE(0) | 1) >>> 0
}

function newManifest(files: Files, options: OpeningOptions): Manifest {
  const row = { number: 1, generation: 1, nonce: newNonce(options.random), size: options.journalBytes }
  prepareJournal(files, row, undefined)
  const manifest: Manifest = {
    version: 1,
    store: identifier(options.random),
    starts: [],
    segments: [],
    journals: [row],
    names: { number: 0, length: 0 },
    forgottenThrough: 0,
    nextNumber: 2,
  }
  replaceManifest(files, manifest)
  return manifest
}

/** The last journal that holds frames goes on; those behind it were made ready and never used. */
function splitJournals({ journals }: Recovered): Pick<OpenedStore, 'current' | 'spares'> {
  let last = 0
  for (const [n, { end }] of journals.entries()) if (end > journalBegin) last = n
  const current = journals[last]!
  return { current: { row: current.row, place: current.end }, spares: journals.slice(last + 1).map(({ row }) => row) }
}

/** Fills the tables in memory from the records, in the order in which they were committed. */
class Loader {
  readonly table: ChannelTable
  readonly state = new KeyedState()
  readonly index = new UnsealedIndex()
  lastTime = 0
  readonly #manifest: Manifest

  constructor(manifest: Manifest, { rules, random }: OpeningOptions) {
    this.#manifest = manifest
    this.table = new ChannelTable(rules, newNonce(random))
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
        index.addPublication(seq, at, table.lastSeq.get(channel), offset)
        table.applyPublication(channel, offset, seq, time, bytes, payloadLength(block, at))
        table.assignedOffset.set(channel, offset)
        table.assignedBytes.set(channel, bytes + payloadLength(block, at))
        return
      }
      case kinds.deletion:
        index.addDeletion(seq, at)
        return table.applyDeletion(channel, recordOffset(block, at), seq, time, readDeletion(block, at))
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
