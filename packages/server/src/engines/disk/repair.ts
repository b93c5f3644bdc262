import { type Block, newBlock } from './crc.ts'

import { type Files, withFile } from './files.ts'
import { padded, recordIsWhole, recordLength } from './format.ts'
import { readJournal } from './journal.ts'
import {
  journalName,
  type JournalRow,
  type Manifest,
  namesName,
  readManifest,
  replaceManifest,
  segmentName,
  type SegmentRow,
  storeFile,
} from './manifest.ts'
import { recoverJournals } from './recovery.ts'
import { loadSegment, readKeyed } from './segment.ts'
import { fileWithoutManifest, foreignFiles } from './strays.ts'

/**
 * The way out of damage: what can not be read goes into files named `damaged-…`, which the store never touches again, and the manifest names what is
 * left. The history ends or has holes where that was; cursors of the lost end are told `diverged`, those of holes `trimmed`. Does nothing where
 * there is no damage.
 */
export function repairStore(files: Files): void {
  const manifest = attempt(() => readManifest(files))
  if (manifest === 'damaged' || (manifest === undefined && fileWithoutManifest(files) !== undefined)) {
    for (const { name } of files.list()) if (storeFile.test(name)) setAside(files, name)
    files.syncNames()
    return
  }
  if (manifest === undefined) return
  for (const name of foreignFiles(files, manifest)) setAside(files, name)
  const segments = manifest.segments.filter((row) => segmentIsWhole(files, row) || !setAside(files, segmentName(row.number)))
  const names = repairNames(files, manifest)
  const journals = repairJournals(files, manifest)
  if (segments.length < manifest.segments.length || names !== manifest.names || journals.length < manifest.journals.length)
    replaceManifest(files, { ...manifest, segments, names, journals })
  files.syncNames()
}

/** What it answers, or that it could not. */
function attempt<T>(read: () => T): T | 'damaged' {
  try {
    return read()
  } catch {
    return 'damaged'
  }
}

/** Copies or moves a file out of the way; true where there was one. */
function setAside(files: Files, name: string): boolean {
  const taken = new Set(files.list().map((file) => file.name))
  let number = 1
  while (taken.has(`damaged-${number}-${name}`)) number++
  if (taken.has(name)) files.rename(name, `damaged-${number}-${name}`)
  return true
}

function copyAside(files: Files, name: string, bytes: Uint8Array): void {
  const taken = new Set(files.list().map((file) => file.name))
  let number = 1
  while (taken.has(`damaged-${number}-${name}`)) number++
  withFile(files, `damaged-${number}-${name}`, (file) => {
    file.write(bytes, 0)
    file.sync()
  })
}

function segmentIsWhole(files: Files, row: SegmentRow): boolean {
  const known = files.list().some(({ name }) => name === segmentName(row.number))
  return (
    known &&
    attempt(() => {
      const keyed = readKeyed(files, row, loadSegment(files, row).trailer)
      if (wholeLength(keyed) < keyed.bytes.length) throw new Error('its keyed state can not be read')
    }) !== 'damaged'
  )
}

/** Bytes of whole records from the begin on. */
function wholeLength(block: Block): number {
  let at = 0
  while (at < block.bytes.length && recordIsWhole(block, at, block.bytes.length)) at += padded(recordLength(block, at))
  return at
}

function repairNames(files: Files, { names }: Manifest): Manifest['names'] {
  if (names.length === 0) return names
  const name = namesName(names.number)
  const block = newBlock(names.length)
  withFile(files, name, (file) => file.read(block.bytes, 0))
  const length = wholeLength(block)
  if (length === names.length) return names
  copyAside(files, name, block.bytes.subarray(length))
  return { number: names.number, length }
}

function repairJournals(files: Files, manifest: Manifest): readonly JournalRow[] {
  const { journals, sealedThrough } = manifest
  const known = new Set(files.list().map(({ name }) => name))
  const firstLost = journals.findIndex((row) => !known.has(journalName(row.number)) || attempt(() => readJournal(files, row)) === 'damaged')
  const readable = firstLost < 0 ? journals : journals.slice(0, firstLost)
  const { cutAt } = recoverJournals(files, readable, sealedThrough, true)
  const kept =
    cutAt === undefined ? readable : readable.slice(0, readable.findIndex(({ generation }) => generation === cutAt.generation) + 1)
  if (cutAt !== undefined) cutRest(files, kept.at(-1)!, cutAt.place)
  for (const row of journals.slice(kept.length)) setAside(files, journalName(row.number))
  return kept
}

/** Copies the rest of a journal aside and writes zeros in its place: a frame in it would prove damage for ever. */
function cutRest(files: Files, row: JournalRow, place: number): void {
  withFile(files, journalName(row.number), (file) => {
    const rest = new Uint8Array(row.size - place)
    file.read(rest, place)
    copyAside(files, journalName(row.number), rest)
    file.write(new Uint8Array(row.size - place), place)
    file.sync()
  })
}
