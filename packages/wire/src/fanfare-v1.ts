import { errors } from './errors.ts'
import type { ErrorCode } from './errors.ts'
import { gapJson } from './publication.ts'
import type { Gap } from './publication.ts'

/** The subprotocol of `/connect`. What follows are the server's messages (CONTRACT section 6), each the text of one frame. */
export const fanfareV1 = 'fanfare.v1'

/** What a server sends, after JSON.parse; `Envelope` is a publication as in polls. */
export type ServerMessage =
  | Reply
  | Envelope
  | { readonly ready: { readonly node: string; readonly heartbeat: number } }
  | { readonly gap: Gap }
  | { readonly heartbeat: { readonly cursor: string } }
  | { readonly close: CloseNotice }
  | { readonly skip: { readonly channel: string; readonly to: number; readonly cursor: string; readonly reason: string } }

export type Reply =
  | { readonly id: string | number | null; readonly ok: Readonly<Record<string, unknown>> }
  | { readonly id: string | number | null; readonly error: ErrorReply }

export interface ErrorReply {
  readonly code: ErrorCode
  readonly message: string
  /** May the same command succeed later? */
  readonly retry: boolean
}

/** A publication as JSON: `data` is base64 where `encoding` says so. */
export interface Envelope {
  readonly channel: string
  readonly offset: number
  readonly cursor: string
  readonly time: number
  readonly data: unknown
  readonly event?: string
  readonly id?: string
  readonly type?: string
  readonly encoding?: 'base64'
}

export interface CloseNotice {
  readonly reason: string
  readonly reconnect: boolean
  /** Milliseconds to wait before that. */
  readonly after: number
}

/** The id of a command as its client wrote it: a number or a string in JSON, sent back as it is; null where it could not be read. */
export type CommandId = string | null

/** `ok` is JSON. */
export function okReply(id: CommandId, ok: string): string {
  return `{"id":${id ?? 'null'},"ok":${ok}}`
}

export function errorReply(id: CommandId, code: ErrorCode, message: string): string {
  return `{"id":${id ?? 'null'},"error":${errorJson(code, message)}}`
}

export function errorJson(code: ErrorCode, message: string): string {
  const error: ErrorReply = { code, message, retry: errors[code].retry }
  return JSON.stringify(error)
}

/** `ok` of `subscribe`. */
export function subscribedJson(channel: string, cursor: string, recovered: boolean): string {
  return JSON.stringify({ channel, cursor, recovered })
}

/** What a publish is answered, over HTTP too. */
export function publishedJson(published: {
  readonly channel: string
  readonly offset: number
  readonly cursor: string
  readonly time: number
}): string {
  const { channel, offset, cursor, time } = published
  return `{"channel":${JSON.stringify(channel)},"offset":${offset},"cursor":"${cursor}","time":${time}}`
}

/** First of all; the heartbeat is in seconds. */
export function readyMessage(node: string, heartbeatSeconds: number): string {
  return JSON.stringify({ ready: { node, heartbeat: heartbeatSeconds } })
}

export function gapMessage(gap: Gap): string {
  return `{"gap":${gapJson(gap)}}`
}

/** The receiver has everything up to there. */
export function heartbeatMessage(cursor: string): string {
  return `{"heartbeat":{"cursor":"${cursor}"}}`
}

/** Before the server closes on purpose. */
export function closeMessage(notice: CloseNotice): string {
  return JSON.stringify({ close: { reason: notice.reason, reconnect: notice.reconnect, after: notice.after } })
}

/** `{"cursor":…}`: the first line or frame of streams and envelopes, and their heartbeat. */
export function cursorMessage(cursor: string): string {
  return `{"cursor":"${cursor}"}`
}
