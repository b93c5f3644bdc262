import { describe, expect, it } from 'vitest'
import type { Form } from '../../src/core/form.ts'
import { lineForm, newBench, since } from './core-bench.ts'
import { SmallEngine } from './small-engine.ts'

class CountingEngine extends SmallEngine {
  reading = 0
  mostReading = 0

  override async read(...question: Parameters<SmallEngine['read']>): ReturnType<SmallEngine['read']> {
    this.mostReading = Math.max(this.mostReading, ++this.reading)
    const page = await super.read(...question)
    this.reading--
    return page
  }
}

/** A form that says how often it encoded. */
function countingForm(): Form & { encoded: number } {
  const form = {
    ...lineForm,
    encoded: 0,
    encode(...given: Parameters<Form['encode']>): void {
      form.encoded++
      lineForm.encode(...given)
    },
  }
  return form
}

describe('receivers at the head of one channel', () => {
  it('are given one and the same buffer, encoded once', async () => {
    const { publish, receive, runtime } = await newBench()
    const form = countingForm()
    const sinks = Array.from({ length: 5 }, () => receive({ form }).sink)
    await runtime.settle()
    await publish('a', '1', '2')
    for (const { buffers } of sinks) expect(buffers).toEqual(sinks[0]?.buffers)
    expect(new Set(sinks.map(({ buffers }) => buffers[1])).size).toBe(1)
    expect(form.encoded).toBe(2)
  })

  it('are given it once more where one of them is full, which is parked with its place unmoved', async () => {
    const { publish, receive, runtime } = await newBench()
    const [first, second, third] = [receive({}), receive({}), receive({})]
    await runtime.settle()
    second.sink.full = true
    await publish('a', '1')
    await publish('a', '2')
    expect([first, second, third].map(({ receiver }) => receiver.place)).toEqual([2, 0, 2])
    second.sink.full = false
    second.receiver.drained()
    await runtime.settle()
    await publish('a', '3')
    expect(second.sink.notes).toEqual(['begin 0', 'park', 'a:1=1@1 a:2=2@2 -> 2', 'a:3=3@3 -> 3'])
    expect(third.sink.notes).toEqual(['begin 0', 'a:1=1@1 -> 1', 'a:2=2@2 -> 2', 'a:3=3@3 -> 3'])
  })

  it('are none of the business of one that left', async () => {
    const { publish, receive, runtime, node } = await newBench()
    const all = [receive({}), receive({}), receive({})]
    await runtime.settle()
    all[0]?.receiver.close()
    all[0]?.receiver.close()
    await publish('a', '1')
    expect(all.map(({ sink }) => sink.notes.length)).toEqual([1, 2, 2])
    expect(node.counters.receivers).toBe(2)
    expect(node.counters.deliveries).toBe(2)
  })

  it('are each served once where a sink ends others from inside a write', async () => {
    const { publish, receive, runtime } = await newBench()
    const all = Array.from({ length: 4 }, () => receive({}))
    await runtime.settle()
    const [first, , third] = all
    const write = first?.sink.write.bind(first.sink)
    if (first !== undefined) {
      first.sink.write = (bytes, run) => {
        write?.(bytes, run)
        first.receiver.close()
        third?.receiver.close()
      }
    }
    await publish('a', '1')
    await publish('a', '2')
    expect(all.map(({ sink }) => sink.notes.length)).toEqual([2, 3, 1, 3])
  })
})

describe('held answers', () => {
  it('of one channel share their bytes', async () => {
    const { publish, receive, runtime } = await newBench()
    const form = countingForm()
    const most = { publications: 10, bytes: 1000 }
    const sinks = [receive({ form, reach: 'first', most }), receive({ form, reach: 'first' }), receive({ form, reach: 'first', most })].map(
      ({ sink }) => sink,
    )
    await runtime.settle()
    await publish('a', '1')
    expect(new Set(sinks.map(({ buffers }) => buffers[0])).size).toBe(1)
    expect(form.encoded).toBe(1)
  })
})

describe('pages', () => {
  it('are read once for all who wait for the same, and then kept', async () => {
    const { publish, receive, runtime, engine, node } = await newBench()
    await publish('a', '1', '2', '3')
    const stays = receive({})
    const form = countingForm()
    const sinks = Array.from({ length: 10 }, () => receive({ form, since: since(0), reach: 'head' }).sink)
    await runtime.settle()
    expect(engine.reads).toBe(1)
    expect(form.encoded).toBe(3)
    expect(new Set(sinks.map(({ buffers }) => buffers[0])).size).toBe(1)
    expect(node.counters.pagesBytes).toBeGreaterThan(1000)
    stays.receiver.close()
    expect(node.counters.pagesBytes).toBe(0)
  })

  it('that one alone wants are handed over and not kept, but for a second who asks', async () => {
    const { publish, receive, runtime, node } = await newBench()
    await publish('a', '1', '2', '3')
    receive({})
    receive({ since: since(0), reach: 'head' })
    await runtime.settle()
    expect(node.counters.pagesBytes).toBe(0)
    receive({ since: since(0), reach: 'head' })
    await runtime.settle()
    expect(node.counters.pagesBytes).toBeGreaterThan(1000)
  })

  it('in memory stay within their limit, tails and encoded forms included', async () => {
    const { publish, receive, runtime, node } = await newBench({ limits: { pagesBytes: 5000 } })
    const { sink } = receive({})
    await runtime.settle()
    for (let i = 0; i < 50; i++) await publish('a', 'x'.repeat(200))
    expect(node.counters.pagesBytes).toBeLessThanOrEqual(5000)
    expect(sink.notes).toHaveLength(51)
  })

  it('count for nobody once the last receiver left', async () => {
    const { publish, receive, runtime, node } = await newBench()
    const { receiver } = receive({})
    await runtime.settle()
    await publish('a', '1', '2')
    expect(node.counters.pagesBytes).toBeGreaterThan(800)
    receiver.close()
    expect(node.counters).toMatchObject({ pagesBytes: 0, receivers: 0, parked: 0 })
  })
})

describe('a parked receiver', () => {
  it('is not looked at again until it drains, however much is published', async () => {
    const { publish, receive, runtime } = await newBench()
    const { sink } = receive({})
    await runtime.settle()
    let looks = 0
    Object.defineProperty(sink, 'full', { get: () => ++looks > 0 })
    await publish('a', '1')
    const before = looks
    await publish('a', '2', '3', '4')
    expect(looks).toBe(before)
  })

  it('goes on although a busy channel never rests', async () => {
    const { publish, receive } = await newBench()
    await publish('b', '1', '2', '3', '4', '5', '6', '7', '8')
    for (let i = 0; i < 3000; i++) receive({})
    const { sink } = receive({ channels: ['b'], since: since(0) })
    for (let i = 0; i < 12; i++) await publish('a', 'x')
    expect(sink.notes.at(-1)).toMatch(/-> 8$/)
  })
})

describe('many who lag', () => {
  it('have a bounded number of reads under way together, and all get there', async () => {
    const engine = new CountingEngine()
    const { publish, receive, runtime } = await newBench({ engine })
    for (let i = 0; i < 150; i++) await publish('a', `${i}`)
    const all = Array.from({ length: 300 }, (_, i) => receive({ since: since(i % 140) }))
    await runtime.settle()
    expect(engine.mostReading).toBe(64)
    expect(all.filter(({ sink }) => sink.notes.at(-1)?.endsWith('-> 150') !== true)).toEqual([])
  })
})
