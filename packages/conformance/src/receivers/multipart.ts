import { openBody } from './body.ts'
import type { BodyReader } from './body.ts'
import { endOf, gapOf, publicationOf, toldOf } from './envelope.ts'
import { askedOf } from './http.ts'
import type { Ask, ReceiverRow, Told, ToldPublication } from './receiver.ts'

/** A part a publication (RFC 2046, section 5.1), each read by its length; payloads and their labels are exact. */
export const multipartReceiver: ReceiverRow = multipartRow('multipart', {})

export const multipartEnvelopeReceiver: ReceiverRow = multipartRow('multipart with envelope', { envelope: '1' })

function multipartRow(name: string, words: Readonly<Record<string, string>>): ReceiverRow {
  const row = { name, transport: 'multipart', carriesCursor: true, carriesEnvelope: true, movesByChannel: false, beginsByChannel: true }
  const open: ReceiverRow['open'] = (url, ask) =>
    openBody(
      url,
      askedOf(ask, 'multipart', words),
      /^multipart\/mixed;/,
      // Of several channels the envelope comes without being asked for.
      (type) => new PartReader(boundaryOf(type), ask, 'envelope' in words || ask.channels.length > 1),
    )
  return { ...row, open }
}

function boundaryOf(type: string): string {
  const found = /;\s*boundary=(?:"([^"]+)"|([^\s;]+))/.exec(type)
  const boundary = found?.[1] ?? found?.[2]
  if (boundary === undefined || boundary.length > 70) throw new SyntaxError(`no boundary in ${type}`)
  return boundary
}

/** Parts from bytes that are cut anywhere. */
class PartReader implements BodyReader {
  readonly #delimiter: string
  readonly #ask: Ask
  readonly #envelope: boolean
  #rest: Buffer = Buffer.alloc(0)
  #begun = false
  #closed = false

  constructor(boundary: string, ask: Ask, envelope: boolean) {
    this.#delimiter = `--${boundary}`
    this.#ask = ask
    this.#envelope = envelope
  }

  take(chunk: Uint8Array): readonly Told[] {
    this.#rest = Buffer.concat([this.#rest, chunk])
    const told: Told[] = []
    if (!this.#begun && !this.#begin()) return told
    for (;;) {
      const part = this.#part()
      if (part === undefined) return told
      told.push(this.#told(part))
    }
  }

  #begin(): boolean {
    const first = `${this.#delimiter}\r\n`
    if (this.#rest.length < first.length) return false
    this.#expect(0, first)
    this.#rest = this.#rest.subarray(first.length)
    this.#begun = true
    return true
  }

  /** A part whose closing delimiter has come too. */
  #part(): Part | undefined {
    if (this.#closed && this.#rest.length > 0) throw new SyntaxError(`more after the last part: ${this.#rest.toString('latin1', 0, 80)}`)
    const head = this.#rest.indexOf('\r\n\r\n')
    if (head < 0) return undefined
    const fields = new Map<string, string>()
    for (const line of this.#rest.toString('latin1', 0, head).split('\r\n')) {
      const found = /^([\w-]+): ([ -~]*)$/.exec(line)
      if (found === null || fields.has((found[1] ?? '').toLowerCase())) throw new SyntaxError(`no field, or twice: ${line}`)
      fields.set((found[1] ?? '').toLowerCase(), found[2] ?? '')
    }
    const length = fields.get('content-length')
    if (length === undefined || !/^\d+$/.test(length)) throw new SyntaxError('a part without its length')
    const end = head + 4 + Number(length)
    const tail = end + 2 + this.#delimiter.length + 2
    if (this.#rest.length < tail) return undefined
    this.#expect(end, `\r\n${this.#delimiter}`)
    const after = this.#rest.toString('latin1', tail - 2, tail)
    if (after === '--') {
      if (this.#rest.length < tail + 2) return undefined
      this.#closed = true
    } else if (after !== '\r\n') throw new SyntaxError(`no end of a delimiter: ${after}`)
    const raw = this.#rest.subarray(head + 4, end)
    // Who reads by delimiters alone must find none inside.
    if (raw.includes(this.#delimiter)) throw new SyntaxError('a delimiter inside of a part')
    this.#rest = this.#rest.subarray(this.#closed ? tail + 2 : tail)
    const body = fields.get('content-transfer-encoding') === 'base64' ? Buffer.from(raw.toString('latin1'), 'base64') : Buffer.from(raw)
    return { fields, body }
  }

  #expect(at: number, text: string): void {
    const found = this.#rest.toString('latin1', at, at + text.length)
    if (found !== text) throw new SyntaxError(`${JSON.stringify(text)} is missing: ${JSON.stringify(found)}`)
  }

  #told({ fields, body }: Part): Told {
    const text = (): string => new TextDecoder('utf-8', { fatal: true }).decode(body)
    const reason = fields.get('fanfare-gap')
    if (reason !== undefined) {
      const gap = gapOf(text())
      if (gap.reason !== reason || fields.has('fanfare-cursor')) throw new SyntaxError(`not a gap's part: ${reason} ${text()}`)
      return { kind: 'gap', gap }
    }
    if (fields.has('fanfare-error')) {
      const { error } = JSON.parse(text()) as { readonly error: unknown }
      return endOf(JSON.stringify(error))
    }
    const cursor = fields.get('fanfare-cursor')
    if (cursor === undefined) throw new SyntaxError('a part without a place')
    if (!fields.has('fanfare-offset')) {
      if (body.length > 0) throw new SyntaxError(`a body without an offset: ${text().slice(0, 80)}`)
      return { kind: 'cursor', cursor }
    }
    const labels = labelsOf(cursor, fields)
    if (!this.#envelope) return { ...labels, data: new Uint8Array(body) }
    const told = toldOf(text())
    const { channel, offset } = publicationOf(text())
    if (channel !== labels.channel || offset !== labels.offset || told.kind !== 'publication' || told.cursor !== cursor)
      throw new SyntaxError(`labels beside ${text().slice(0, 200)}`)
    if (!this.#ask.channels.includes(channel)) throw new SyntaxError(`nobody asked for ${channel}`)
    return told
  }
}

interface Part {
  readonly fields: ReadonlyMap<string, string>
  readonly body: Buffer
}

function labelsOf(cursor: string, fields: ReadonlyMap<string, string>): Omit<ToldPublication, 'data'> {
  const decoded = (name: string): string | undefined => {
    const value = fields.get(name)
    return value === undefined ? undefined : decodeURIComponent(value)
  }
  const type = fields.get('content-type')?.replace(/; charset=utf-8$/, '')
  return {
    kind: 'publication',
    cursor,
    channel: decoded('fanfare-channel') ?? '',
    offset: Number(fields.get('fanfare-offset')),
    event: decoded('fanfare-event'),
    id: decoded('fanfare-id'),
    type: type === 'application/json' ? undefined : type,
  }
}
