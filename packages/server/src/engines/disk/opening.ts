import { Buffer } from 'node:buffer'
import type { Limits, Rule } from '@fanfare/wire'
import type { ChannelTable } from './channel-table.ts'
import { discard } from './discard.ts'
import type { Files } from './files.ts'
import type { SyncedPlace } from './format.ts'
import { journalBegin, prepareJournal } from './journal.ts'
import type { KeyedState } from './keyed-state.ts'
import { Loader } from './loading.ts'
import { type JournalRow, type Manifest, readManifest, replaceManifest } from './manifest.ts'
import { keepReserve } from './reserve.ts'
import { type Recovered, recoverJournals, secureTail } from './recovery.ts'
import { repairStore } from './repair.ts'
import { SegmentList } from './segment-list.ts'
import { mustBeEmpty, mustKnowAll, removeStrays } from './strays.ts'
import type { UnsealedIndex } from './unsealed-index.ts'

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
  readonly segments: SegmentList
  readonly synced: SyncedPlace
  /** Journals that are not written to any more, oldest first: they wait for being sealed. */
  readonly full: readonly { readonly number: number; readonly end: number }[]
  /** The journal that goes on, and where. */
  readonly current: { readonly row: JournalRow; readonly place: number }
  /** Behind it, ready for use. */
  readonly spares: readonly JournalRow[]
  readonly head: number
  /** Places of forgotten channels are not above this one. */
  readonly forgottenThrough: number
  readonly lastTime: number
}

/** A store whose files are in order: nothing of it is in memory yet. */
export interface RecoveredStore {
  readonly manifest: Manifest
  readonly recovered: Recovered
  readonly synced: SyncedPlace
}

/** Opens a store, or makes a new one. */
export function openStore(files: Files, options: OpeningOptions): OpenedStore {
  const recovered = recoverStore(files, options)
  const opened = loadStore(files, recovered, options)
  // Only now it is sure that the manifest is the right one for these files.
  removeStrays(files, opened.manifest)
  keepReserve(files)
  discard(recovered.recovered.journals.map(({ block }) => block))
  return opened
}

/** All that changes files at a start. When it returns, everything it read is synced, and the start is in the manifest: only then anything may be served. */
export function recoverStore(files: Files, options: Omit<OpeningOptions, 'rules' | 'limits' | 'now'>): RecoveredStore {
  if (options.repair) repairStore(files)
  const found = readManifest(files)
  if (found === undefined) mustBeEmpty(files)
  else mustKnowAll(files, found)
  let manifest = found ?? newManifest(files, options)
  // Only after a repair there may be none.
  if (manifest.journals.length === 0) manifest = addJournal(files, manifest, options)
  const recovered = recoverJournals(files, manifest.journals, manifest.sealedThrough)
  const synced = secureTail(files, recovered)
  const started = { ...manifest, starts: [...manifest.starts, { id: identifier(options.random), first: recovered.head + 1 }] }
  replaceManifest(files, started)
  return { manifest: started, recovered, synced }
}

function loadStore(files: Files, { manifest, recovered, synced }: RecoveredStore, { rules, random, now }: OpeningOptions): OpenedStore {
  const loaded = new Loader(files, manifest, rules, newNonce(random))
  const segments = new SegmentList()
  for (const row of manifest.segments) segments.replace([], { row, table: loaded.segment(row) })
  const { full, current, spares } = splitJournals(recovered)
  // Those behind it begin when they come into use.
  for (const journal of recovered.journals.slice(0, full.length + 1)) loaded.journal(journal)
  const { table, state, index, forgottenThrough, lastTime } = loaded
  table.finishLoading()
  state.expire(now, true)
  return { manifest, table, state, index, segments, synced, full, current, spares, head: recovered.head, forgottenThrough, lastTime }
}

/** 8 characters of base64url. */
export const identifier = (random: (count: number) => Uint8Array): string => Buffer.from(random(6)).toString('base64url')

/** A secret that no payload can know, and never 0, which is what an empty journal holds. */
export function newNonce(random: (count: number) => Uint8Array): number {
  const bytes = random(4)
  return (Buffer.from(bytes.buffer, bytes.byteOffset, 4).readUInt32LE(0) | 1) >>> 0
}

function newManifest(files: Files, options: Pick<OpeningOptions, 'random' | 'journalBytes'>): Manifest {
  const empty: Manifest = {
    version: 1,
    store: identifier(options.random),
    starts: [],
    segments: [],
    sealedThrough: 0,
    journals: [],
    names: { number: 0, length: 0 },
    forgottenThrough: 0,
    nextNumber: 1,
  }
  return addJournal(files, empty, options)
}

function addJournal(files: Files, manifest: Manifest, { random, journalBytes }: Pick<OpeningOptions, 'random' | 'journalBytes'>): Manifest {
  const number = manifest.nextNumber
  const row = { number, generation: number, nonce: newNonce(random), size: journalBytes }
  prepareJournal(files, row, undefined)
  const added = { ...manifest, journals: [...manifest.journals, row], nextNumber: number + 1 }
  replaceManifest(files, added)
  return added
}

/** The last journal that holds frames goes on; those behind it were made ready and never used. */
function splitJournals({ journals }: Recovered): Pick<OpenedStore, 'current' | 'spares' | 'full'> {
  let last = 0
  for (const [n, { end }] of journals.entries()) if (end > journalBegin) last = n
  const current = journals[last]!
  const full = journals.slice(0, last).map(({ row, end }) => ({ number: row.number, end }))
  return { full, current: { row: current.row, place: current.end }, spares: journals.slice(last + 1).map(({ row }) => row) }
}
