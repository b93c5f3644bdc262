import type { SseReceived } from '../src/index.ts'

/**
 * An event stream read as the HTML Standard's section 9.2.6 says it, sentence by sentence, over the whole text at once: slow, plain, and nothing of it shared
 * with the parser it judges.
 */
export function readWholeStream(bytes: Uint8Array): { events: SseReceived[]; lastEventId: string; retryMs: number | undefined } {
  const text = new TextDecoder('utf-8').decode(bytes)
  const ended = text.replace(/\r\n|\r/g, '\n').split('\n')
  ended.pop()
  const events: SseReceived[] = []
  let lastEventId = ''
  let retryMs: number | undefined
  let idBuffer = ''
  let typeBuffer = ''
  let dataBuffer = ''
  for (const line of ended) {
    if (line === '') {
      lastEventId = idBuffer
      if (dataBuffer !== '') {
        events.push({ event: typeBuffer === '' ? 'message' : typeBuffer, data: dataBuffer.replace(/\n$/, ''), lastEventId })
      }
      dataBuffer = ''
      typeBuffer = ''
      continue
    }
    if (line.startsWith(':')) continue
    const colon = line.indexOf(':')
    const field = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
    if (field === 'event') typeBuffer = value
    if (field === 'data') dataBuffer += `${value}\n`
    if (field === 'id' && !value.includes('\0')) idBuffer = value
    if (field === 'retry' && /^[0-9]+$/.test(value)) retryMs = Number(value)
  }
  return { events, lastEventId, retryMs }
}
