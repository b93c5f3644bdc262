import { type Block, blockOf, crcOf, newBlock } from './crc.ts'
import { damaged, mustExist } from './damage.ts'
import { type Files, type OpenFile, withFile } from './files.ts'
import { frameStep } from './format.ts'
import { type JournalRow, journalName } from './manifest.ts'

export const journalMagic = 0x4a4e4146
export const journalHeadBytes = 64
const zeros = new Uint8Array(1024 * 1024)

/** Bytes at the end of a journal that are kept for deletions while no other journal is ready, a frame each: 128 KiB of one of 1 MiB, 256 KiB of larger ones. */
export const reserveOf = (size: number): number => Math.min(64, Math.floor(size / 8 / frameStep)) * frameStep

/** The first frame of a journal begins here. */
export const journalBegin = frameStep

/**
 * Makes a journal ready for use: written out with zeros, so that space runs out now and not at a commit (and a commit costs half), or an old file
 * taken again, whose frames have another nonce. Durable when it returns, but not named by the manifest yet.
 */
export function prepareJournal(files: Files, row: JournalRow, recycled: string | undefined): void {
  const name = journalName(row.number)
  if (recycled !== undefined) files.rename(recycled, name)
  try {
    withFile(files, name, (file) => {
      if (recycled === undefined) fillWithZeros(file, row.size)
      writeHead(file, row)
      file.sync()
    })
  } catch (error) {
    files.remove(name)
    throw error
  }
  files.syncNames()
}

function fillWithZeros(file: OpenFile, size: number): void {
  for (let place = 0; place < size; place += zeros.length) {
    file.write(zeros.subarray(0, Math.min(zeros.length, size - place)), place)
    file.sync()
  }
}

function writeHead(file: OpenFile, row: JournalRow): void {
  const block = newBlock(journalHeadBytes)
  block.words.set([journalMagic, 0, 1, row.generation, row.nonce, row.size])
  block.words[1] = crcOf(block, 8, journalHeadBytes)
  file.write(block.bytes, 0)
}

/** Reads a journal whole. Throws where its file or its head is not what the manifest says. */
export function readJournal(files: Files, row: JournalRow, into?: Block): Block {
  const name = journalName(row.number)
  mustExist(files, name)
  return withFile(files, name, (file) => {
    const size = file.size()
    if (size < row.size)
      throw damaged(
        name,
        size,
        size === 0
          ? 'the manifest names it, and it is missing or empty'
          : `it is shorter than the ${row.size} bytes that the manifest says`,
      )
    const block = into !== undefined && into.bytes.length >= row.size ? into : blockOf(new ArrayBuffer(row.size))
    file.read(block.bytes.subarray(0, row.size), 0)
    const [mark, crc, version, generation, nonce] = block.words
    if (mark !== journalMagic || crc !== crcOf(block, 8, journalHeadBytes) || version !== 1)
      throw damaged(name, 0, 'its head can not be read')
    if (generation !== row.generation || nonce !== row.nonce)
      throw damaged(name, 0, `it has generation ${generation}, the manifest says ${row.generation}: files of two moments are mixed`)
    return block
  })
}
