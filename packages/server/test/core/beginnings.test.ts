import { describe, expect, it } from 'vitest'
import type { Since } from '../../src/core/receive.ts'
import { NotingSink, lineForm, newBench, since } from './core-bench.ts'
import type { Bench } from './core-bench.ts'

/** Five of `a` at 1, 3, 5, 7, 9, and five of `b` between them. */
async function both(): Promise<Bench> {
  const bench = await newBench()
  for (let i = 0; i < 5; i++) {
    await bench.publish('a', 'x')
    await bench.publish('b', 'x')
  }
  return bench
}

async function poll(bench: Bench, common: Since, own: Record<string, Since | undefined>): Promise<string[]> {
  const sink = new NotingSink()
  const channels = Object.entries(own).map(([channel, since]) => (since === undefined ? { channel } : { channel, since }))
  bench.node.receive({ channels, since: common, form: lineForm, reach: 'head', onGap: 'continue' }, sink)
  await bench.runtime.settle()
  return sink.notes.flatMap((note) =>
    note
      .split(' ')
      .filter((word) => /^[ab]:|^\d+$/.test(word))
      .map((word) => word.split('=')[0] ?? ''),
  )
}

describe('a receiver of several channels begins', () => {
  it('each at its own place, and the common cursor is the earliest of them', async () => {
    const bench = await both()
    expect(await poll(bench, { at: 'earliest' }, { a: since(7), b: since(6) })).toEqual(['6', 'b:4', '8', 'a:5', '9', 'b:5', '10', '10'])
  })

  it('at the later of its own place and the common one', async () => {
    const bench = await both()
    expect(await poll(bench, since(8), { a: since(2), b: since(9) })).toEqual(['8', 'a:5', '9', 'b:5', '10', '10'])
  })

  it('with the newest N of each channel', async () => {
    const bench = await both()
    expect(await poll(bench, { at: 'last', count: 1 }, { a: undefined, b: undefined })).toEqual(['8', 'a:5', '9', 'b:5', '10', '10'])
    expect(await poll(bench, { at: 'last', count: 0 }, { a: undefined, b: undefined })).toEqual(['10', '10'])
  })

  it('without a cursor at the newest of all its channels', async () => {
    const bench = await both()
    await bench.publish('c', 'x', 'x')
    expect(await poll(bench, { at: 'latest' }, { a: undefined, b: undefined })).toEqual(['10', '10'])
    expect(await poll(bench, { at: 'latest' }, { a: undefined })).toEqual(['9', '9'])
  })
})
