import { rawElements, rawMembers } from './raw-json.ts'
import type { GapNotice, Told, ToldEnd, ToldPublication } from './receiver.ts'

/** A publication from its envelope (CONTRACT section 4). */
export function publicationOf(text: string): ToldPublication {
  const members = rawMembers(text)
  const { data: _, ...rest } = JSON.parse(text) as Envelope
  if (
    typeof rest.channel !== 'string' ||
    typeof rest.offset !== 'number' ||
    typeof rest.cursor !== 'string' ||
    typeof rest.time !== 'number'
  ) {
    throw new SyntaxError(`not the envelope of CONTRACT: ${text.slice(0, 200)}`)
  }
  const { channel, offset, cursor, time, event, id, type } = rest
  return { kind: 'publication', channel, offset, cursor, time, event, id, type, data: payloadOf(members.get('data'), rest) }
}

interface Envelope {
  readonly channel?: unknown
  readonly offset?: unknown
  readonly cursor?: unknown
  readonly time?: unknown
  readonly data?: unknown
  readonly event?: string
  readonly id?: string
  readonly type?: string
  readonly encoding?: string
}

/** Base64 where it is said; a string where the media type is another than JSON's; else the JSON as it stands. */
function payloadOf(raw: string | undefined, { type, encoding }: Envelope): Uint8Array {
  if (raw === undefined) throw new SyntaxError('an envelope without data')
  if (encoding === 'base64') return new Uint8Array(Buffer.from(JSON.parse(raw) as string, 'base64'))
  return new TextEncoder().encode(type === undefined || /^application\/(?:[^;]+\+)?json/.test(type) ? raw : (JSON.parse(raw) as string))
}

export function gapOf(raw: string): GapNotice {
  return JSON.parse(raw) as GapNotice
}

/** A line, frame or script with the envelope: a cursor, a gap, an error, or a publication. */
export function toldOf(text: string): Told {
  const members = rawMembers(text)
  const gap = members.get('gap')
  if (gap !== undefined) return { kind: 'gap', gap: gapOf(gap) }
  const error = members.get('error')
  if (error !== undefined) return endOf(error)
  const cursor = members.get('cursor')
  if (cursor !== undefined && members.size === 1) return { kind: 'cursor', cursor: JSON.parse(cursor) as string }
  return publicationOf(text)
}

export interface PollAnswer {
  readonly cursor: string
  readonly publications: readonly ToldPublication[]
  readonly more: boolean
  readonly gaps: readonly GapNotice[]
}

export function pollAnswerOf(text: string): PollAnswer {
  const { cursor, more, gaps } = JSON.parse(text) as PollAnswer
  if (typeof cursor !== 'string' || typeof more !== 'boolean' || !Array.isArray(gaps))
    throw new SyntaxError(`not an answer of CONTRACT: ${text.slice(0, 200)}`)
  return { cursor, more, gaps, publications: rawElements(rawMembers(text).get('publications') ?? '[]').map(publicationOf) }
}

/** An error that was told inside an answer, where its status can't be seen. */
export function endOf(raw: string): ToldEnd {
  const { status } = JSON.parse(raw) as { readonly status?: number }
  // A server that goes down ends its streams; they are opened anew.
  return { kind: 'end', code: status === 503 ? 200 : (status ?? 0), reason: raw, inAnswer: true }
}
