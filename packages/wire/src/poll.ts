import type { ByteWriter } from './byte-writer.ts'
import { ByteWriter as Writer } from './byte-writer.ts'
import { gapJson, writeEnvelope } from './publication.ts'
import type { Gap, Publication } from './publication.ts'

const comma = 0x2c

/** An entry of a poll's answer: the envelope and a comma, so that joining entries is concatenation. */
export function writePollEntry(out: ByteWriter, publication: Publication, channelJson: string, cursor: string): void {
  writeEnvelope(out, publication, channelJson, cursor)
  out.byte(comma)
}

export function pollHead(cursor: string): string {
  return `{"cursor":"${cursor}","publications":[`
}

export function pollTail(more: boolean, gaps: readonly Gap[]): string {
  return `],"more":${more},"gaps":[${gaps.map(gapJson).join(',')}]}`
}

/** What a poll answers; `entries` are joined bytes of `writePollEntry`, in order. */
export interface PollAnswer {
  readonly cursor: string
  readonly entries: readonly Uint8Array[]
  readonly more: boolean
  readonly gaps: readonly Gap[]
}

/** The whole answer in one piece; the last entry's comma is dropped. */
export function pollAnswer(answer: PollAnswer): Uint8Array {
  const head = pollHead(answer.cursor)
  const tail = pollTail(answer.more, answer.gaps)
  const out = new Writer(head.length + tail.length * 3 + answer.entries.reduce((sum, bytes) => sum + bytes.length, 0))
  out.utf8(head)
  const from = out.length
  for (const bytes of answer.entries) out.raw(bytes)
  if (out.length > from) out.truncate(out.length - 1)
  out.utf8(tail)
  return out.slice()
}
