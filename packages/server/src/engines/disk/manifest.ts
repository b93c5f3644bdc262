import { Buffer } from 'node:buffer'
import { crc32 } from 'node:zlib'
import { damaged } from './damage.ts'
import { type Files, type OpenFile, withFile } from './files.ts'
import { withReserve } from './reserve.ts'

/**
 * The one truth about which files belong to the store. A file that it does not name is left over from a crash and is deleted; one that it
 * names and that is missing is damage.
 */
export interface Manifest {
  readonly version: 1
  /** 8 characters of base64url. */
  readonly store: string
  readonly starts: readonly StartRow[]
  /** By seq, oldest first, without holes between them. */
  readonly segments: readonly SegmentRow[]
  /** Newest seq that was ever sealed: the first frame of the journals follows it. */
  readonly sealedThrough: number
  /** Not sealed yet, oldest first; those behind the last frame are ready for use. */
  readonly journals: readonly JournalRow[]
  readonly names: { readonly number: number; readonly length: number }
  /** No place up to this one can be told for a channel that is not known. */
  readonly forgottenThrough: number
  readonly nextNumber: number
}

export interface StartRow {
  /** 8 characters of base64url. */
  readonly id: string
  readonly first: number
}

export interface JournalRow {
  readonly number: number
  readonly generation: number
  readonly nonce: number
  readonly size: number
}

export interface SegmentRow {
  readonly number: number
  readonly firstSeq: number
  readonly lastSeq: number
  /** Of the file. */
  readonly length: number
  /** Of the footer's trailer. */
  readonly crc: number
  readonly rows: number
  readonly records: number
}

export const manifestName = 'manifest'
const temporaryName = 'manifest.new'

export const journalName = (number: number): string => `journal-${number}`
export const segmentName = (number: number): string => `segment-${number}`
export const namesName = (number: number): string => `names-${number}`

/** The manifest, or undefined where the directory has none yet. */
export function readManifest(files: Files): Manifest | undefined {
  if (!files.list().some(({ name }) => name === manifestName)) return undefined
  const bytes = withFile(files, manifestName, (file) => {
    const all = new Uint8Array(file.size())
    file.read(all, 0)
    return all
  })
  const [body = '', crc] = Buffer.from(bytes).toString('utf8').split('\n', 2)
  if (crc !== crc32(body).toString(16)) throw damaged(manifestName, 0, 'it lists all files of the store, so nothing can be read without it')
  const manifest = JSON.parse(body) as Manifest
  if (manifest.version !== 1) throw damaged(manifestName, 0, `it has version ${String(manifest.version)}, written by a newer Fanfare`)
  return manifest
}

/** Puts a new manifest in place of the old one: after a crash there is either the one or the other. */
export function replaceManifest(files: Files, manifest: Manifest): void {
  const body = JSON.stringify(manifest)
  const bytes = Buffer.from(`${body}\n${crc32(body).toString(16)}\n`)
  // What a crash left under the temporary name is written over, never removed: a removal, a new file and its renaming may reach the disk in another
  // order, and then the old one would become the manifest. It may be longer; what stands behind the CRC's line is not read.
  const write = (file: OpenFile) => {
    file.write(bytes, 0)
    file.sync()
  }
  withReserve(files, () => withFile(files, temporaryName, write))
  files.rename(temporaryName, manifestName)
  files.syncNames()
}

/** Names that the store gives to files. */
export const storeFile = /^(?:journal-\d+|segment-\d+|names-\d+|manifest)$/
