import type { Taken } from './taking.ts'

// Readers of what programs print: bytes in, publications out. They hold nothing of Fanfare's; what is cut off at an end is dropped.

export interface Heard {
  readonly publication?: Taken
  /** A place, of a publication or without one. */
  readonly cursor?: string
  readonly trouble?: string
}

export type Reader = (bytes: Buffer) => readonly Heard[]

interface Message {
  readonly cursor?: string
  readonly offset?: number
  readonly data?: unknown
  readonly gap?: unknown
  readonly error?: { readonly retry?: boolean }
  readonly close?: { readonly reconnect?: boolean }
}

/** One object of an envelope's kind: a publication, a place, a gap or an error. */
export function heardOf(text: string): Heard {
  const { cursor, offset, data, gap, error, close } = JSON.parse(text) as Message
  // A server that goes down says when to come again; the connection ends behind it.
  if (error?.retry === true || close?.reconnect === true) return {}
  if (gap !== undefined || error !== undefined || cursor === undefined) return { trouble: text }
  return offset === undefined ? { cursor } : { publication: { data, offset, cursor }, cursor }
}

/** The lines of a text; what comes behind the last line end waits for it. */
export function lineReader(line: (text: string) => readonly Heard[]): Reader {
  let rest = Buffer.alloc(0)
  return (bytes) => {
    const all = Buffer.concat([rest, bytes])
    const end = all.lastIndexOf('\n') + 1
    rest = all.subarray(end)
    return end === 0
      ? []
      : all
          .toString('utf8', 0, end - 1)
          .split('\n')
          .flatMap(line)
  }
}

export const ndjsonReader = (): Reader => lineReader((line) => [heardOf(line)])

/** Events (HTML Standard, section 9.2.6), as far as a server that is known needs. */
export function sseReader(): Reader {
  let id = ''
  let event = ''
  let data: string[] = []
  return lineReader((line) => {
    const [, field, value] = /^([a-z]*)(?:: ?)?(.*)$/s.exec(line) ?? []
    if (line !== '') {
      if (field === 'id') id = value ?? ''
      else if (field === 'event') event = value ?? ''
      else if (field === 'data') data.push(value ?? '')
      return []
    }
    const text = data.join('\n')
    const heard = heardEvent(event, id, data.length === 0 ? undefined : text)
    event = ''
    data = []
    return [heard]
  })
}

function heardEvent(event: string, id: string, data: string | undefined): Heard {
  if (event === 'fanfare.gap') return { trouble: data ?? event }
  const place = id === '' ? {} : { cursor: id }
  if (data === undefined || event === 'fanfare.ready') return place
  return { ...place, publication: { data: JSON.parse(data) as unknown, ...place } }
}

/** Parts (RFC 2046, section 5.1), each by its Content-Length; the boundary is that of the first line. */
export function partReader(): Reader {
  let rest = Buffer.alloc(0)
  return (bytes) => {
    rest = Buffer.concat([rest, bytes])
    const heard: Heard[] = []
    for (;;) {
      const head = rest.indexOf('\r\n\r\n')
      if (head < 0) return heard
      const [delimiter = '', ...lines] = rest.toString('latin1', 0, head).trimStart().split('\r\n')
      const fields = new Map(
        lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
      )
      const end = head + 4 + Number(fields.get('content-length'))
      // Its closing delimiter is there, too.
      if (Number.isNaN(end)) throw new Error(`a part without its length: ${delimiter} ${lines.join(' ')}`)
      if (rest.length < end + 2 + delimiter.length) return heard
      heard.push(heardPart(fields, rest.toString('utf8', head + 4, end)))
      rest = rest.subarray(end + 2)
    }
  }
}

function heardPart(fields: ReadonlyMap<string, string>, body: string): Heard {
  const cursor = fields.get('fanfare-cursor')
  if (cursor === undefined) return fields.get('fanfare-error') === 'draining' ? {} : { trouble: body }
  const offset = fields.get('fanfare-offset')
  return offset === undefined ? { cursor } : { cursor, publication: { data: JSON.parse(body) as unknown, offset: Number(offset), cursor } }
}

/** A poll's answer, read when it is whole. */
export function heardAnswer(text: string): readonly Heard[] {
  const { cursor, publications, gaps } = JSON.parse(text) as { cursor: string; publications: readonly Taken[]; gaps: readonly unknown[] }
  return [
    ...gaps.map((gap) => ({ trouble: JSON.stringify(gap) })),
    ...publications.map(({ data, offset, cursor }) => ({ publication: { data, offset, cursor } as Taken })),
    { cursor },
  ]
}
