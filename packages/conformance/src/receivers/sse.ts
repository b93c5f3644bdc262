import { gapOf, publicationOf } from './envelope.ts'
import { askedOf, bodyOf, endOfRefusal, openHttp } from './http.ts'
import { ToldQueue } from './receiver.ts'
import type { Ask, Receiving, ReceiverRow, Told } from './receiver.ts'

/** Server-sent events as a browser reads them (WHATWG HTML, section 9.2), payloads as lines. */
export const sseReceiver: ReceiverRow = sseRow('sse', false)

/** The same with the envelope, which is exact. */
export const sseEnvelopeReceiver: ReceiverRow = sseRow('sse with envelope', true)

function sseRow(name: string, envelope: boolean): ReceiverRow {
  const row = { name, transport: 'sse', carriesCursor: true, carriesEnvelope: envelope, movesByChannel: false, beginsByChannel: true }
  return { ...row, open: (url, ask) => openSse(url, ask, envelope ? { envelope: '1' } : {}) }
}

function openSse(url: string, ask: Ask, words: Readonly<Record<string, string>>): Receiving {
  const abort = new AbortController()
  const queue = new ToldQueue(() => abort.abort())
  void receive(url, ask, words, queue, abort.signal)
  return queue
}

async function receive(
  url: string,
  ask: Ask,
  words: Readonly<Record<string, string>>,
  queue: ToldQueue,
  signal: AbortSignal,
): Promise<void> {
  try {
    const asked = askedOf(ask, 'sse', words)
    // Of several channels it comes without being asked for.
    const envelope = 'envelope' in words || ask.channels.length > 1
    const response = await openHttp(url, { ...asked, headers: { ...asked.headers, accept: 'text/event-stream' } }, signal)
    const status = response.statusCode ?? 0
    if (status !== 200) return queue.push(endOfRefusal(status, response.headers, await bodyOf(response)))
    const type = response.headers['content-type'] ?? ''
    if (!/^text\/event-stream\b/.test(type)) return queue.push({ kind: 'end', code: status, reason: `content type ${type}` })
    const parser = new SseReader()
    for await (const chunk of response as AsyncIterable<Uint8Array>) {
      for (const block of parser.take(chunk)) tell(queue, block, ask, envelope)
    }
    queue.push({ kind: 'end', code: 200, reason: 'the answer ended' })
  } catch (error) {
    queue.push({ kind: 'end', code: 0, reason: String(error) })
  }
}

function tell(queue: ToldQueue, block: SseBlock, ask: Ask, envelope: boolean): void {
  for (const told of toldOfBlock(block, ask, envelope)) queue.push(told)
}

function toldOfBlock({ id, event, data }: SseBlock, ask: Ask, envelope: boolean): readonly Told[] {
  if (event === 'fanfare.gap') {
    if (id !== undefined) throw new SyntaxError('a gap has no id')
    return [{ kind: 'gap', gap: gapOf(data ?? '') }]
  }
  if (id === undefined) return data === undefined ? [] : [{ kind: 'end', code: 0, reason: `an event without a place: ${event} ${data}` }]
  if (data === undefined || event === 'fanfare.ready') return [{ kind: 'cursor', cursor: id }]
  if (!envelope) return [{ kind: 'publication', channel: ask.channels[0] ?? '', cursor: id, event, data: new TextEncoder().encode(data) }]
  const publication = publicationOf(data)
  if (publication.cursor !== id) return [{ kind: 'end', code: 0, reason: `id ${id} beside ${data}` }]
  return [publication]
}

interface SseBlock {
  id?: string
  event?: string
  data?: string
}

/** Blocks from bytes that are cut anywhere. */
class SseReader {
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  #rest = ''
  #block: SseBlock = {}

  take(chunk: Uint8Array): readonly SseBlock[] {
    const text = this.#rest + this.#decoder.decode(chunk, { stream: true })
    // A CR at the end may be half of a CRLF.
    const lines = text.split(/\r\n|\n|\r(?!$)/)
    this.#rest = lines.pop() ?? ''
    return lines.flatMap((line) => this.#line(line))
  }

  #line(line: string): readonly SseBlock[] {
    if (line === '') {
      const block = this.#block
      this.#block = {}
      return Object.keys(block).length === 0 ? [] : [block]
    }
    const colon = line.indexOf(':')
    if (colon === 0) return []
    const field = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(colon + (line[colon + 1] === ' ' ? 2 : 1))
    if (field === 'data') this.#block.data = this.#block.data === undefined ? value : `${this.#block.data}\n${value}`
    else if (field === 'id' && !value.includes('\0')) this.#block.id = value
    else if (field === 'event') this.#block.event = value
    return []
  }
}
