import { FanfareError } from '@fanfare/wire'
import type { Message } from '@fanfare/wire'
import { describe, expect, it } from 'vitest'
import { newBench } from './core-bench.ts'

function text(data: string, more: Partial<Message> = {}): Message {
  return { data: new TextEncoder().encode(data), format: 'text', ...more }
}

async function codeOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise
    return 'no error'
  } catch (error) {
    return error instanceof FanfareError ? [error.code, error.extra] : error
  }
}

describe('a publish', () => {
  it('answers with its place', async () => {
    const { node } = await newBench()
    await node.publish('a', text('1'))
    const published = await node.publish('b', text('2'))
    expect(published).toEqual({ channel: 'b', offset: 1, cursor: node.token(2), time: 2, replayed: false })
  })

  it('is refused where a name, an event, an id, a type or a key is none', async () => {
    const { node } = await newBench()
    const publish = (channel: string, more: Partial<Message> = {}, key?: string): Promise<unknown> =>
      codeOf(node.publish(channel, text('x', more), { key }))
    expect(await publish('a//b')).toEqual(['channel-name-invalid', {}])
    expect(await publish('$sys')).toEqual(['channel-reserved', {}])
    for (const event of ['', 'open', 'error', 'fanfare.x', 'a\nb', 'é'.repeat(128)])
      expect(await publish('a', { event })).toEqual(['event-name-invalid', {}])
    for (const value of ['', 'a\0', 'x'.repeat(256), '\ud800']) {
      expect(await publish('a', { id: value })).toEqual(['parameter-invalid', {}])
      expect(await publish('a', { type: value })).toEqual(['parameter-invalid', {}])
      expect(await publish('a', {}, value)).toEqual(['parameter-invalid', {}])
    }
    expect(await publish('a', { event: 'x'.repeat(255), id: 'ü', type: 'text/plain' }, 'k')).toBe('no error')
  })

  it("is refused over its rule's payload", async () => {
    const { node } = await newBench()
    expect(await codeOf(node.publish('a', text('x'.repeat(1001))))).toEqual(['payload-too-large', {}])
    expect(await codeOf(node.publish('a', text('x'.repeat(1000))))).toBe('no error')
  })

  it('gives its first answer again for the same key, and refuses another body', async () => {
    const { node } = await newBench()
    const first = await node.publish('a', text('1', { event: 'e' }), { key: 'k' })
    expect(await node.publish('a', text('1', { event: 'e' }), { key: 'k' })).toEqual({ ...first, replayed: true })
    for (const other of [
      text('2', { event: 'e' }),
      text('1'),
      text('1', { event: 'f' }),
      text('1', { event: 'e', id: 'i' }),
      text('1', { event: 'e', type: 't' }),
    ]) {
      expect(await codeOf(node.publish('a', other, { key: 'k' }))).toEqual(['idempotency-conflict', {}])
    }
  })

  it('keeps the keys of channels, credentials and batches apart', async () => {
    const { node } = await newBench()
    await node.publish('a', text('1'), { key: 'k' })
    expect((await node.publish('b', text('2'), { key: 'k' })).replayed).toBe(false)
    expect((await node.publish('a', text('2'), { key: 'k', credential: 'c' })).replayed).toBe(false)
    expect((await node.publishAtomic([{ channel: 'a', message: text('2') }], { key: 'k' }))[0]?.replayed).toBe(false)
  })
})

describe('a batch', () => {
  it('is all or none where it is atomic, and names the item that was wrong', async () => {
    const { node, engine } = await newBench()
    const bad = [
      { channel: 'a', message: text('1') },
      { channel: 'b c', message: text('2') },
    ]
    expect(await codeOf(node.publishAtomic(bad))).toEqual(['channel-name-invalid', { index: 1 }])
    expect(engine.log).toHaveLength(0)
    await node.publish('a', text('x'), { key: 'k' })
    const conflict = [
      { channel: 'b', message: text('1') },
      { channel: 'a', message: text('y'), key: 'k' },
    ]
    expect(await codeOf(node.publishAtomic(conflict))).toEqual(['idempotency-conflict', { index: 1 }])
    expect(engine.log).toHaveLength(1)
  })

  it('lets a bad item fail alone where it is not', async () => {
    const { node } = await newBench()
    const answers = await node.publishEach([
      { channel: 'a', message: text('1') },
      { channel: '', message: text('2') },
      { channel: 'a', message: text('3') },
    ])
    expect(
      answers.map((answer) => (answer instanceof FanfareError ? answer.code : answer instanceof Error ? answer : answer.offset)),
    ).toEqual([1, 'channel-name-invalid', 2])
  })

  it('gives the same answers again for the same key', async () => {
    const { node, engine } = await newBench()
    const items = [
      { channel: 'a', message: text('1') },
      { channel: '', message: text('2') },
      { channel: 'b', message: text('3') },
    ]
    const first = await node.publishEach(items, { key: 'k' })
    const again = await node.publishEach(items, { key: 'k' })
    expect(again.map((answer) => (answer instanceof Error ? 'error' : [answer.cursor, answer.replayed]))).toEqual([
      [node.token(1), true],
      'error',
      [node.token(2), true],
    ])
    expect(first).toHaveLength(3)
    expect(engine.log).toHaveLength(2)
  })

  it('has either a key for the whole, or keys for its items', async () => {
    const { node } = await newBench()
    const [answer] = await node.publishEach([{ channel: 'a', message: text('1'), key: 'i' }], { key: 'k' })
    expect(answer).toMatchObject({ code: 'parameter-invalid' })
  })

  it('has at least one item and at most as many as the limit says', async () => {
    const { node } = await newBench({ limits: { batchItems: 1 } })
    const item = { channel: 'a', message: text('1') }
    expect(await codeOf(node.publishEach([]))).toEqual(['parameter-invalid', {}])
    expect(await codeOf(node.publishAtomic([item, item]))).toEqual(['body-too-large', {}])
  })

  it('says what the engine said where it could not append', async () => {
    const { node, engine } = await newBench()
    engine.failing = new FanfareError('storage-full', 'no space')
    expect(await codeOf(node.publish('a', text('1')))).toEqual(['storage-full', {}])
    expect(await node.publishEach([{ channel: 'a', message: text('1') }])).toMatchObject([{ code: 'storage-full' }])
  })
})

describe('a removal', () => {
  it('has a place and no offset, and the facts tell it', async () => {
    const { node, publish } = await newBench()
    await publish('a', '1', '2')
    expect(await node.remove('a')).toMatchObject({ channel: 'a', offset: 0, cursor: node.token(3) })
    expect(await node.facts('a')).toMatchObject({ count: 0, deletedAt: 3, lastOffset: 2, cursor: node.token(3) })
    expect(await codeOf(node.facts('a b'))).toEqual(['channel-name-invalid', {}])
  })
})
