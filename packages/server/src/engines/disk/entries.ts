import type { Publication } from '@fanfare/wire'
import type { Block } from './crc.ts'
import { kinds, padded, recordChannel, recordKind, recordLength, recordSeq, recordTime } from './format.ts'
import { readPublication } from './record-reader.ts'

/** An entry of the log, whatever its channel. */
export interface Entry {
  readonly id: number
  readonly seq: number
  readonly time: number
  /** Its channel's name is still missing; undefined for a deletion. */
  readonly publication: Publication | undefined
}

/** All that is kept of the seqs up to `through`, in order. */
export interface Entries {
  readonly through: number
  readonly entries: readonly Entry[]
}

/** Entries that stand one after the other. */
export function entriesIn(block: Block, through: number): Entries {
  const entries: Entry[] = []
  for (let at = 0; at < block.bytes.length; at += padded(recordLength(block, at))) {
    const publication = recordKind(block, at) === kinds.publication ? readPublication(block, at, '') : undefined
    entries.push({ id: recordChannel(block, at), seq: recordSeq(block, at), time: recordTime(block, at), publication })
  }
  return { through, entries }
}
