import { isProblem, jsonString, scanObject } from '@fanfare/wire'
import type { Gap, GapReason, JsonSlice } from '@fanfare/wire'
import { channelPath, isUntrusted, troubleOf } from '../http-client.ts'
import type { Refusal } from '../http-client.ts'
import type { Ended, Received } from './receive.ts'

/** The address of one channel, or of several, with parameters. */
export function receivePath(channels: readonly string[], parameters: Readonly<Record<string, string>>): string {
  const query = new URLSearchParams()
  const [only] = channels
  const alone = channels.length === 1 && only !== undefined
  if (!alone) for (const channel of channels) query.append('channel', channel)
  for (const [name, value] of Object.entries(parameters)) query.set(name, value)
  return `${alone ? channelPath(only) : '/subscribe'}?${query.toString()}`
}

/** What a server's refusal means for a receiver. */
export function endedBy(refusal: Refusal): Ended {
  return refusal.again ? { kind: 'cut', why: refusal.text, afterMs: refusal.afterMs } : { kind: 'refused', why: refusal.text }
}

/** What a broken connection means. */
export function cutBy(error: unknown, url: URL): Ended {
  return { kind: 'cut', why: troubleOf(error, url), lasting: isUntrusted(error) }
}

/** A publication as JSON, known by its members; undefined where it is none. */
export function publicationOf(bytes: Uint8Array): Received | undefined {
  const members = scanObject(bytes)
  const cursor = isProblem(members) ? undefined : text(members, 'cursor')
  return cursor === undefined || isProblem(members) || !members.has('offset') ? undefined : { kind: 'publication', bytes, cursor }
}

/** A frame or line of a stream with envelopes: a publication, a place, a gap, or what is passed over on purpose; undefined for anything else. */
export function receivedOf(bytes: Uint8Array): Received | undefined {
  const publication = publicationOf(bytes)
  if (publication !== undefined) return publication
  const members = scanObject(bytes)
  if (isProblem(members)) return undefined
  const gap = members.get('gap')
  if (gap !== undefined) return gapOf(gap)
  const skip = members.get('skip')
  const place = skip === undefined ? members : scanObject(skip)
  const cursor = isProblem(place) ? undefined : text(place, 'cursor')
  return cursor === undefined ? undefined : { kind: 'place', cursor }
}

/** A gap notice; undefined where it is none. */
export function gapOf(bytes: Uint8Array): Received | undefined {
  const members = scanObject(bytes)
  if (isProblem(members)) return undefined
  const [channel, reason, at] = [text(members, 'channel'), text(members, 'reason'), text(members, 'at')]
  if (channel === undefined || reason === undefined || at === undefined) return undefined
  const missed = Number(Buffer.from(members.get('missed') ?? []).toString() || Number.NaN)
  const gap: Gap = { channel, reason: reason as GapReason, missed: Number.isSafeInteger(missed) ? missed : null, at }
  return { kind: 'gap', gap }
}

/** The text of a member, where it is one. */
export function text(members: ReadonlyMap<string, JsonSlice>, name: string): string | undefined {
  const slice = members.get(name)
  return slice === undefined ? undefined : jsonString(slice)
}
