import { isUtf8 } from 'node:buffer'
import { isProblem, jsonProblem, compactLineEnds, parseMediaType } from '@fanfare/wire'
import type { Problem } from '@fanfare/wire'

/** What all publications of one call share. */
export interface ItemFields {
  readonly channel: string
  readonly event?: string | undefined
  readonly type?: string | undefined
  /** The payload is JSON, and goes as it was written. */
  readonly json: boolean
}

/** Makes items of `/publish` (one line of NDJSON each, without its end) from payloads; or says why a payload can't be one. */
export function itemEncoder(fields: ItemFields): (payload: Buffer) => Buffer | Problem {
  const kind = kindOf(fields)
  const head = `{"channel":${JSON.stringify(fields.channel)}${fields.event === undefined ? '' : `,"event":${JSON.stringify(fields.event)}`}`
  const typed = (type: string | undefined): string => (type === undefined ? '' : `,"type":${JSON.stringify(type)}`)
  const jsonHead = Buffer.from(`${head}${typed(fields.type)},"data":`)
  const textHead = `${head}${typed(fields.type ?? 'text/plain')},"data":`
  const bytesHead = `${head}${typed(fields.type ?? 'application/octet-stream')},"encoding":"base64","data":"`
  return (payload) => {
    if (kind === 'json') {
      return jsonProblem(payload) ?? Buffer.concat([jsonHead, compactLineEnds(payload), closing])
    }
    if (kind !== 'bytes' && isUtf8(payload)) return Buffer.from(`${textHead}${JSON.stringify(payload.toString())}}`)
    return Buffer.from(`${bytesHead}${payload.toString('base64')}"}`)
  }
}

const closing = Buffer.from('}')

function kindOf(fields: ItemFields): 'json' | 'text' | 'bytes' | 'either' {
  if (fields.json) return 'json'
  if (fields.type === undefined) return 'either'
  const media = parseMediaType(fields.type)
  if (isProblem(media)) return 'bytes'
  if (media.essence.startsWith('text/')) return 'text'
  return media.essence === 'application/json' || media.essence.endsWith('+json') ? 'json' : 'bytes'
}
