import { isProblem, jsonString, readBase64, scanObject } from '@fanfare/wire'

/** The payload inside a publication as JSON: JSON as it was written, text as text, bytes as bytes. Undefined where it makes no sense. */
export function payloadOf(publication: Uint8Array): Uint8Array | undefined {
  const members = scanObject(publication)
  if (isProblem(members)) return undefined
  const data = members.get('data')
  if (data === undefined) return undefined
  const text = jsonString(data)
  if (members.has('encoding')) return text === undefined ? undefined : readBase64(text)
  const type = members.get('type')
  const isText = type !== undefined && (jsonString(type) ?? '').startsWith('text/')
  return isText && text !== undefined ? Buffer.from(text) : data
}
