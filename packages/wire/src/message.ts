import { readBase64 } from './base64.ts'
import { utf8Length } from './byte-writer.ts'
import { channelProblem } from './channel.ts'
import { compactLineEnds, isJsonNull, jsonProblem, jsonString, payloadDepthProblem } from './json.ts'
import type { JsonSlice } from './json.ts'
import { limits } from './limits.ts'
import { formatMediaType, parseMediaType } from './media-type.ts'
import type { MediaType } from './media-type.ts'
import { isProblem, problemOf } from './problem.ts'
import type { Problem } from './problem.ts'
import type { Message } from './publication.ts'
import { encodeUtf8, isUtf8 } from './utf8.ts'

/** What a publisher may say about a publication besides its payload. */
export interface MessageFields {
  readonly event?: string | undefined
  /** The publisher's own. */
  readonly id?: string | undefined
}

/** An item of `/publish`, or what `publish` of `fanfare.v1` says. */
export interface MessageItem {
  readonly channel: string
  readonly message: Message
  /** Idempotency key. */
  readonly key?: string | undefined
}

/** From a body and its media type to a message, by the rules of CONTRACT section 3. The message may share the body's memory. */
export function messageFromBody(contentType: string | undefined, body: Uint8Array, fields: MessageFields = {}): Message | Problem {
  const wrong = fieldsProblem(fields)
  if (wrong !== undefined) return wrong
  if (contentType === undefined || contentType === '') return untyped(body, fields)
  const media = parseMediaType(contentType)
  if (isProblem(media)) return media
  // curl -d says this by itself; forms that are meant as forms are text too.
  if (media.essence === 'application/x-www-form-urlencoded') return untyped(body, fields)
  if (media.essence.startsWith('text/')) return textMessage(media, body, fields)
  if (isJson(media)) return jsonMessage(media, body, fields)
  return { data: body, format: 'bytes', type: formatMediaType(media), ...given(fields) }
}

/** From the members of an item (their bytes were checked by the scanner) to a message with its channel. Members that are `null` are as if absent. */
export function messageFromItem(members: ReadonlyMap<string, JsonSlice>): MessageItem | Problem {
  const channel = textMember(members, 'channel', 'channel-name-invalid')
  if (isProblem(channel)) return channel
  if (channel === undefined) return missingChannel(members, itemMembers)
  const channelWrong = channelProblem(channel)
  if (channelWrong !== undefined) return problemOf('channel-name-invalid', channelWrong)
  if (channel.startsWith('$')) return problemOf('channel-reserved', 'channels whose first segment begins with $ are reserved for Fanfare')
  const event = textMember(members, 'event', 'event-name-invalid')
  if (isProblem(event)) return event
  const id = textMember(members, 'id')
  if (isProblem(id)) return id
  const wrong = fieldsProblem({ event, id })
  if (wrong !== undefined) return wrong
  const key = textMember(members, 'key')
  if (isProblem(key)) return key
  const keyWrong = key === undefined ? undefined : labelProblem('key', key)
  if (keyWrong !== undefined) return keyWrong
  const message = itemMessage(members, { event, id })
  return isProblem(message) ? message : { channel, message, ...(key === undefined ? {} : { key }) }
}

const itemMembers = ['channel', 'data', 'event', 'id', 'key', 'type', 'encoding']

/** Names the first member that is none of the known ones, for it may be the channel misspelt. */
export function missingChannel(members: ReadonlyMap<string, JsonSlice>, known: readonly string[]): Problem {
  const other = [...members.keys()].find((name) => !known.includes(name))
  const hint = other === undefined ? '' : `; ${JSON.stringify(other.slice(0, 64))} is none that is known here`
  return problemOf('channel-name-invalid', `the member channel is missing${hint}`)
}

function itemMessage(members: ReadonlyMap<string, JsonSlice>, fields: MessageFields): Message | Problem {
  const data = members.get('data')
  if (data === undefined) return problemOf('payload-malformed', 'data is missing')
  const type = textMember(members, 'type')
  if (isProblem(type)) return type
  const encoding = textMember(members, 'encoding')
  if (isProblem(encoding)) return encoding
  if (encoding !== undefined && encoding !== 'base64') return problemOf('parameter-invalid', 'encoding is base64 or absent')
  if (encoding === undefined && (type === undefined || type === '')) return jsonSlice(undefined, data, fields)
  const media = parseMediaType(type ?? 'application/octet-stream')
  if (isProblem(media)) return media
  if (encoding === undefined && isJson(media)) return jsonSlice(media, data, fields)
  const text = jsonString(data)
  if (text === undefined) return problemOf('payload-malformed', `data of ${encoding ?? media.essence} is a JSON string`)
  const body = encoding === undefined ? bytesOfText(text) : readBase64(text)
  if (body === undefined)
    return problemOf(
      'payload-malformed',
      encoding === undefined ? 'data holds a lone surrogate' : 'data is not base64 (RFC 4648, with padding)',
    )
  return messageFromBody(formatMediaType(media), body, fields)
}

/** Says what is wrong with an event's name, or nothing. */
export function eventProblem(event: string): Problem | undefined {
  if (event === '' || utf8Length(event) > limits.eventNameBytes) {
    return problemOf('event-name-invalid', `an event name has 1 to ${limits.eventNameBytes} bytes of UTF-8`)
  }
  if (unprintable.test(event)) return problemOf('event-name-invalid', 'an event name has no control characters or lone surrogates')
  if (event === 'open' || event === 'error' || event.startsWith('fanfare.')) {
    return problemOf('event-name-invalid', 'open, error and names that begin with fanfare. are taken')
  }
  return undefined
}

/** Says what is wrong with an `id` or an idempotency `key`, or nothing: 1 to 255 bytes of UTF-8 without control characters. `name` is that of the member or field. */
export function labelProblem(name: string, value: string): Problem | undefined {
  if (value === '' || utf8Length(value) > limits.headerValueBytes) {
    return problemOf('parameter-invalid', `${name} has 1 to ${limits.headerValueBytes} bytes of UTF-8`)
  }
  return unprintable.test(value) ? problemOf('parameter-invalid', `${name} has no control characters or lone surrogates`) : undefined
}

const unprintable = /[\p{Cc}\p{Cs}]/u

function fieldsProblem(fields: MessageFields): Problem | undefined {
  const wrong = fields.event === undefined ? undefined : eventProblem(fields.event)
  return wrong ?? (fields.id === undefined ? undefined : labelProblem('id', fields.id))
}

function given(fields: MessageFields): MessageFields {
  if (fields.event === undefined) return fields.id === undefined ? {} : { id: fields.id }
  return fields.id === undefined ? { event: fields.event } : { event: fields.event, id: fields.id }
}

function untyped(body: Uint8Array, fields: MessageFields): Message {
  if (isUtf8(body)) return { data: body, format: 'text', type: 'text/plain', ...given(fields) }
  return { data: body, format: 'bytes', type: 'application/octet-stream', ...given(fields) }
}

function textMessage(media: MediaType, body: Uint8Array, fields: MessageFields): Message | Problem {
  const wrong = charsetProblem(media)
  if (wrong !== undefined) return wrong
  if (!isUtf8(body)) return problemOf('payload-malformed', 'text is UTF-8')
  return { data: body, format: 'text', type: formatMediaType(media, 'charset'), ...given(fields) }
}

function jsonMessage(media: MediaType | undefined, body: Uint8Array, fields: MessageFields): Message | Problem {
  return jsonProblem(body) ?? checkedJson(media, body, fields)
}

/** The slice was checked, but for its depth. It is copied: a small payload would keep the whole batch in memory if it shared it. */
function jsonSlice(media: MediaType | undefined, slice: JsonSlice, fields: MessageFields): Message | Problem {
  const copy = new Uint8Array(slice.length)
  copy.set(slice)
  return payloadDepthProblem(slice) ?? checkedJson(media, copy, fields)
}

function checkedJson(media: MediaType | undefined, json: Uint8Array, fields: MessageFields): Message | Problem {
  const wrong = media === undefined ? undefined : charsetProblem(media)
  if (wrong !== undefined) return wrong
  const data = compactLineEnds(json)
  if (media === undefined || media.essence === 'application/json') return { data, format: 'json', ...given(fields) }
  return { data, format: 'json', type: formatMediaType(media, 'charset'), ...given(fields) }
}

function isJson(media: MediaType): boolean {
  return media.essence === 'application/json' || (media.essence.endsWith('+json') && !media.essence.startsWith('text/'))
}

function charsetProblem(media: MediaType): Problem | undefined {
  const charset = media.parameters.find(([name]) => name === 'charset')?.[1].toLowerCase()
  if (charset === undefined || charset === 'utf-8' || charset === 'utf8' || charset === 'us-ascii') return undefined
  return problemOf('media-type-unsupported', 'text and JSON are UTF-8')
}

function textMember(
  members: ReadonlyMap<string, JsonSlice>,
  name: string,
  code: Problem['code'] = 'parameter-invalid',
): string | undefined | Problem {
  const slice = members.get(name)
  if (slice === undefined || isJsonNull(slice)) return undefined
  return jsonString(slice) ?? problemOf(code, `${name} is a string`)
}

function bytesOfText(text: string): Uint8Array | undefined {
  return /\p{Cs}/u.test(text) ? undefined : encodeUtf8(text)
}
