import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteWriter, encodeUtf8, isProblem, messageFromBody, messageFromItem, scanObject, writeEnvelope } from '../src/index.ts'
import type { Message, MessageItem, Problem } from '../src/index.ts'
import { bytesOf, hexOf, readVectors, textOf } from './vectors.ts'
import type { Bytes } from './vectors.ts'

type Meaning = Bytes & { readonly format: string; readonly type?: string; readonly event?: string; readonly id?: string }

const vectors = readVectors('message') as {
  bodies: { contentType: string | null; body: Bytes; event?: string; id?: string; message?: Meaning; code?: string }[]
  items: { item: string; message?: Meaning; key?: string; code?: string }[]
}

/** A message of a vector, with its bytes in hex so that a difference can be read. */
function meant(meaning: Meaning | undefined): object | undefined {
  if (meaning === undefined) return undefined
  const { format, type, event, id } = meaning
  return shown({ format: format as Message['format'], type, event, id, data: bytesOf(meaning) })
}

function shown(message: Message): object {
  return { ...message, data: hexOf(message.data) }
}

function itemOf(text: string): MessageItem | Problem {
  const members = scanObject(encodeUtf8(text))
  return isProblem(members) ? members : messageFromItem(members)
}

describe('a publish with a body', () => {
  it.each(vectors.bodies.filter((row) => row.message))('of $contentType $body is $message', ({ contentType, body, event, id, message }) => {
    const read = messageFromBody(contentType ?? undefined, bytesOf(body), { event, id })
    expect(isProblem(read) ? read : shown(read)).toEqual(meant(message))
  })

  it.each(vectors.bodies.filter((row) => row.code))(
    'of $contentType $event $id is refused as $code',
    ({ contentType, body, event, id, code }) => {
      expect(messageFromBody(contentType ?? undefined, bytesOf(body), { event, id })).toMatchObject({ code })
    },
  )

  it('is never copied where it stays as it was', () => {
    const body = encodeUtf8('{"a":1}')
    for (const type of ['application/json', 'text/plain', 'image/png', undefined]) {
      expect(messageFromBody(type, body)).toMatchObject({ data: body })
      expect((messageFromBody(type, body) as Message).data).toBe(body)
    }
  })

  it('refuses an event with a lone surrogate', () => {
    expect(messageFromBody(undefined, encodeUtf8('x'), { event: '\udc00' })).toMatchObject({ code: 'event-name-invalid' })
  })
})

describe('a publish as an item', () => {
  it.each(vectors.items.filter((row) => row.message))('$item is $message', ({ item, message, key }) => {
    const read = itemOf(item)
    expect(isProblem(read) ? read : { ...read, message: shown(read.message) }).toEqual({
      channel: 'a',
      message: meant(message),
      ...(key === undefined ? {} : { key }),
    })
  })

  it.each(vectors.items.filter((row) => row.code))('$item is refused as $code', ({ item, code }) => {
    expect(itemOf(item)).toMatchObject({ code })
  })

  it('does not hold on to the memory of its batch', () => {
    const item = itemOf(`{"channel":"a","data":[1],"more":"${'x'.repeat(10_000)}"}`) as MessageItem
    expect(item.message.data.buffer.byteLength).toBe(3)
  })

  it('that is an envelope becomes the same message again', () => {
    const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).map((text) => `e-${text.replace(/\p{Cc}/gu, '')}`)
    const fields = fc.record({ event: name, id: name }, { requiredKeys: [] })
    const body = fc.oneof(
      fc.tuple(fc.constantFrom('application/json', 'application/ld+json'), fc.json().map(encodeUtf8)),
      fc.tuple(fc.constantFrom('text/plain', 'text/csv; header=present'), fc.string({ unit: 'binary' }).map(encodeUtf8)),
      fc.tuple(fc.constantFrom('image/png', 'application/octet-stream', 'a/b; x="c d"'), fc.uint8Array()),
      fc.tuple(fc.constant(undefined), fc.uint8Array()),
    )
    fc.assert(
      fc.property(body, fields, ([type, bytes], fields) => {
        const message = messageFromBody(type, bytes, fields) as Message
        const out = new ByteWriter()
        writeEnvelope(out, { ...message, channel: 'a/b', offset: 7, seq: 9, time: 11 }, '"a/b"', 'token')
        const again = itemOf(textOf(out.slice())) as MessageItem
        expect(shown(again.message)).toEqual(shown(message))
        expect(again.channel).toBe('a/b')
      }),
      { numRuns: 2000 },
    )
  })
})
