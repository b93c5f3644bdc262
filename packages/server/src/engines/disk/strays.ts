import { newBlock } from './crc.ts'
import { damaged } from './damage.ts'
import { type Files, withFile } from './files.ts'
import { recordIsWhole } from './format.ts'
import { journalHeadBytes, journalMagic } from './journal.ts'
import { journalName, type Manifest, manifestName, namesName, segmentName, storeFile } from './manifest.ts'
import { segmentMagic } from './segment.ts'

const windowBytes = 1024 * 1024
const firstBytes = 4096

/**
 * Where the directory has no manifest: the first file that may hold what somebody was told, or that is no file of a store at all. A crash at the very
 * first start leaves at most a first journal with its head and zeros.
 */
export function fileWithoutManifest(files: Files): string | undefined {
  const names = files.list().map(({ name }) => name)
  if (names.includes(manifestName)) return undefined
  return names.find((name) => storeFile.test(name) && (name !== journalName(1) || !isUnusedJournal(files, name)))
}

/** Throws where there are files of a store, or files that look so, and no manifest: neither must be written over. */
export function mustBeEmpty(files: Files): void {
  const name = fileWithoutManifest(files)
  if (name === undefined) return
  const foreign = `If ${name} is not a file of Fanfare's, move it, or give the store a directory of its own`
  throw damaged(manifestName, 0, `it is missing, and ${name} is there and holds something. ${foreign}`)
}

/** Files of the store's own shape that the manifest does not name and that no crash can have left: somebody put them there. */
export function foreignFiles(files: Files, manifest: Manifest): readonly string[] {
  return straysOf(files, manifest).filter((name) => !isOfTheStore(files, name))
}

/** Removes what a crash left over: every file of the store's own shape that the manifest does not name. Throws, and removes nothing, where one of them is not the store's. */
export function removeStrays(files: Files, manifest: Manifest): void {
  mustKnowAll(files, manifest)
  for (const name of straysOf(files, manifest)) files.remove(name)
}

/** Throws where a file has a name that the store may give to its own, and is not the store's: it would be written over one day. */
export function mustKnowAll(files: Files, manifest: Manifest): void {
  const [foreign] = foreignFiles(files, manifest)
  if (foreign !== undefined)
    throw damaged(foreign, 0, 'it is no file of this store, and has a name that the store gives to its own. Move it elsewhere')
}

function straysOf(files: Files, manifest: Manifest): readonly string[] {
  const named = new Set<string>([manifestName])
  for (const { number } of manifest.journals) named.add(journalName(number))
  for (const { number } of manifest.segments) named.add(segmentName(number))
  named.add(namesName(manifest.names.number))
  const strays = files.list().filter(({ name }) => !named.has(name) && storeFile.test(name))
  return strays.map(({ name }) => name)
}

/** What a crash leaves begins with what the store writes there, or with zeros. */
function isOfTheStore(files: Files, name: string): boolean {
  return withFile(files, name, (file) => {
    const block = newBlock(firstBytes)
    const length = file.read(block.bytes, 0)
    if (isZero(block.bytes.subarray(0, Math.min(length, journalHeadBytes)))) return true
    if (name.startsWith('journal-')) return block.words[0] === journalMagic
    if (name.startsWith('segment-')) return block.words[0] === segmentMagic
    return recordIsWhole(block, 0, length)
  })
}

/** Has it no more than a head? */
function isUnusedJournal(files: Files, name: string): boolean {
  return withFile(files, name, (file) => {
    const size = file.size()
    const block = newBlock(Math.min(size, windowBytes))
    for (let place = 0; place < size;) {
      const length = file.read(block.bytes, place)
      if (length === 0) return false
      const head = place === 0 && block.words[0] === journalMagic ? journalHeadBytes : 0
      if (!isZero(block.bytes.subarray(head, length))) return false
      place += length
    }
    return true
  })
}

const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0)
