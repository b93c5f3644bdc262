import { writeBase64 } from './base64.ts'
import type { ByteWriter } from './byte-writer.ts'

/** What the payload is: JSON as it was written, text (valid UTF-8), or bytes. */
export type Format = 'json' | 'text' | 'bytes'

/** A publication without its place: what a publisher gives. */
export interface Message {
  readonly data: Uint8Array
  readonly format: Format
  /** Media type; absent where it is `application/json`. */
  readonly type?: string | undefined
  readonly event?: string | undefined
  /** The publisher's own; no transport uses it as a place. */
  readonly id?: string | undefined
}

/** A publication in its channel. `seq` is its place in the store; `time` is in milliseconds since 1970. */
export interface Publication extends Message {
  readonly channel: string
  readonly offset: number
  readonly seq: number
  readonly time: number
}

/** Why a subscription's place could not be continued; a receiver gets at most one a channel, the first that applies in this order. */
export const gapReasons = ['new-log', 'diverged', 'deleted', 'trimmed'] as const
export type GapReason = (typeof gapReasons)[number]

export interface Gap {
  readonly channel: string
  readonly reason: GapReason
  /** Publications lost, where it can be known. */
  readonly missed: number | null
  /** Token of the place from which the channel goes on. */
  readonly at: string
}

/** The gaps of one answer with one more: a channel has one notice, which leads to the last place and says the gravest reason and all that was missed. */
export function withGap(gaps: readonly Gap[], gap: Gap): readonly Gap[] {
  const earlier = gaps.find(({ channel }) => channel === gap.channel)
  if (earlier === undefined) return [...gaps, gap]
  const reason = gapReasons.indexOf(earlier.reason) < gapReasons.indexOf(gap.reason) ? earlier.reason : gap.reason
  const missed = earlier.missed === null || gap.missed === null ? null : earlier.missed + gap.missed
  return [...gaps.filter((other) => other !== earlier), { ...gap, reason, missed }]
}

/** The gap as JSON, the same on every transport. */
export function gapJson(gap: Gap): string {
  return JSON.stringify({ channel: gap.channel, reason: gap.reason, missed: gap.missed, at: gap.at })
}

const jsonHead = '{"channel":'

/** Writes the publication as JSON: the envelope of CONTRACT section 4. `channelJson` is the channel's name as a JSON string. */
export function writeEnvelope(out: ByteWriter, publication: Publication, channelJson: string, cursor: string): void {
  out.ascii(jsonHead)
  out.utf8(channelJson)
  out.ascii(`,"offset":${publication.offset},"cursor":"${cursor}","time":${publication.time},"data":`)
  writeData(out, publication)
  if (publication.event !== undefined) out.utf8(`,"event":${JSON.stringify(publication.event)}`)
  if (publication.id !== undefined) out.utf8(`,"id":${JSON.stringify(publication.id)}`)
  if (publication.type !== undefined) out.utf8(`,"type":${JSON.stringify(publication.type)}`)
  if (publication.format === 'bytes') out.ascii(',"encoding":"base64"')
  out.byte(0x7d)
}

function writeData(out: ByteWriter, message: Message): void {
  switch (message.format) {
    case 'json':
      return out.raw(message.data)
    case 'text':
      return writeJsonString(out, message.data)
    case 'bytes':
      out.byte(0x22)
      writeBase64(out, message.data)
      return out.byte(0x22)
    default:
      return message.format satisfies never
  }
}

const hex = '0123456789abcdef'

/** Writes valid UTF-8 as a JSON string (RFC 8259, section 7); what needs no escape is copied in runs. */
export function writeJsonString(out: ByteWriter, text: Uint8Array): void {
  out.byte(0x22)
  let from = 0
  for (let i = 0; i < text.length; i++) {
    const byte = text[i] ?? 0
    if (byte >= 0x20 && byte !== 0x22 && byte !== 0x5c) continue
    if (i > from) out.raw(text.subarray(from, i))
    from = i + 1
    if (byte === 0x22) out.ascii('\\"')
    else if (byte === 0x5c) out.ascii('\\\\')
    else if (byte === 0x0a) out.ascii('\\n')
    else if (byte === 0x0d) out.ascii('\\r')
    else if (byte === 0x09) out.ascii('\\t')
    else out.ascii(`\\u00${hex.charAt(byte >> 4)}${hex.charAt(byte & 15)}`)
  }
  if (from < text.length) out.raw(from === 0 ? text : text.subarray(from))
  out.byte(0x22)
}
