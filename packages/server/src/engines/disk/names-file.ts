import { newBlock } from './crc.ts'
import { damaged, mustExist } from './damage.ts'
import { type Files, withFile } from './files.ts'
import { kinds, padded, recordChannel, recordKind, recordLength, recordOffset, recordSeq } from './format.ts'
import { FrameWriter } from './frame-writer.ts'
import { Forward } from './merging.ts'
import { type Manifest, namesName } from './manifest.ts'
import { readName } from './record-reader.ts'

export interface NameUse {
  /** The number means this name from `since` on; undefined where the channel was forgotten. */
  readonly name: string | undefined
  readonly since: number
  readonly forgotten: number
}

/** Goes through the names file in order; a later line about a number stands for the earlier ones. */
export function readNames(files: Files, { names }: Manifest, use: (id: number, entry: NameUse) => void): void {
  if (names.length === 0) return
  const name = namesName(names.number)
  mustExist(files, name)
  withFile(files, name, (file) => {
    if (file.size() < names.length) throw damaged(name, file.size(), `it is shorter than the ${names.length} bytes that the manifest says`)
    // By the window: a million names would else be 56 MB at once.
    const forward = new Forward(file, names.length)
    for (let place = 0; place < names.length;) {
      const { block, at } = forward.record(place)
      const known = recordKind(block, at) === kinds.name
      use(recordChannel(block, at), {
        name: known ? readName(block, at) : undefined,
        since: recordSeq(block, at),
        forgotten: recordOffset(block, at),
      })
      place += padded(recordLength(block, at))
    }
  })
}

/** Writes behind the end; it counts when the manifest says so. */
export function appendNames(files: Files, { names }: Manifest, bytes: Uint8Array): Manifest['names'] {
  if (bytes.length === 0) return names
  withFile(files, namesName(names.number), (file) => {
    file.write(bytes, names.length)
    file.sync()
  })
  if (names.length === 0) files.syncNames()
  return { number: names.number, length: names.length + bytes.length }
}

/** A new names file with only what still counts. */
export function rewriteNames(files: Files, manifest: Manifest, number: number): Manifest['names'] {
  const entries = new Map<number, NameUse>()
  readNames(files, manifest, (id, entry) => {
    if (entry.name === undefined) entries.delete(id)
    else entries.set(id, entry)
  })
  const writer = new FrameWriter(newBlock(manifest.names.length + 64))
  const begin = writer.at
  for (const [id, { name, since, forgotten }] of entries) writer.name(id, name ?? '', since, 0, forgotten)
  const bytes = writer.block.bytes.slice(begin, writer.at)
  withFile(files, namesName(number), (file) => {
    file.write(bytes, 0)
    file.sync()
  })
  files.syncNames()
  return { number, length: bytes.length }
}
