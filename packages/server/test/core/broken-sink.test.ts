import { defaultKeep, limits } from '@fanfare/wire'
import type { FanfareError } from '@fanfare/wire'
import { describe, expect, it } from 'vitest'
import { createNode } from '../../src/core/node.ts'
import type { FanfareNode } from '../../src/core/node-contract.ts'
import type { Run } from '../../src/core/sink.ts'
import { lineForm, ManualRuntime, NotingSink } from './core-bench.ts'
import { SmallEngine } from './small-engine.ts'

/** Throws where it is told to. */
class BrokenSink extends NotingSink {
  breaksAt: 'write' | 'park' | 'fail' | 'never' = 'never'
  failsToo = false

  override write(bytes: Uint8Array, run: Run): void {
    if (this.breaksAt === 'write') throw new Error('the sink broke')
    super.write(bytes, run)
  }

  override park(): void {
    if (this.breaksAt === 'park') throw new Error('the sink broke')
    super.park()
  }

  override fail(error: FanfareError): void {
    super.fail(error)
    if (this.failsToo) throw new Error('and broke again')
  }
}

const reported: unknown[] = []

async function bench(count: number): Promise<{ node: FanfareNode; sinks: readonly BrokenSink[]; say: (text: string) => Promise<void> }> {
  const runtime = new ManualRuntime()
  const rules = [{ match: '**', keep: defaultKeep, payloadBytes: 1000, public: false }]
  reported.length = 0
  const node = await createNode({ engine: new SmallEngine(), runtime, rules, limits, report: (error) => reported.push(error) })
  const sinks = Array.from({ length: count }, () => new BrokenSink())
  for (const sink of sinks) {
    node.receive({ channels: [{ channel: 'a' }], since: { at: 'latest' }, form: lineForm, reach: 'endless', onGap: 'continue' }, sink)
  }
  await runtime.settle()
  const say = async (text: string): Promise<void> => {
    await node.publish('a', { data: new TextEncoder().encode(text), format: 'text' })
    await runtime.settle()
  }
  // The first brings them together.
  await say('1')
  for (const sink of sinks) sink.take()
  return { node, sinks, say }
}

describe('a sink that throws', () => {
  it.each([0, 1, 4])('ends alone where it is number %i of those served together, and the others get everything once', async (broken) => {
    const { node, sinks, say } = await bench(5)
    for (const [i, sink] of sinks.entries()) if (i === broken) sink.breaksAt = 'write'
    await say('2')
    await say('3')
    for (const [i, sink] of sinks.entries()) {
      expect(sink.notes).toEqual(i === broken ? ['fail internal'] : ['a:2=2@2 -> 2', 'a:3=3@3 -> 3'])
    }
    expect([node.counters.receivers, reported]).toEqual([4, []])
  })

  it('ends alone where all but one of them do', async () => {
    const { node, sinks, say } = await bench(4)
    for (const sink of sinks.slice(1)) sink.breaksAt = 'write'
    await say('2')
    await say('3')
    expect(sinks.map(({ notes }) => notes.length)).toEqual([2, 1, 1, 1])
    expect(node.counters.receivers).toBe(1)
  })

  it('ends alone where it is told to wait', async () => {
    const { sinks, say, node } = await bench(3)
    const [first, second, third] = sinks
    if (second === undefined) throw new Error('there are three')
    second.full = true
    second.breaksAt = 'park'
    await say('2')
    expect([first?.notes, second.notes, third?.notes]).toEqual([['a:2=2@2 -> 2'], ['fail internal'], ['a:2=2@2 -> 2']])
    expect([node.counters.receivers, node.counters.parked]).toEqual([2, 0])
  })

  it('ends where it is the only one, and the node goes on', async () => {
    const { node, sinks, say } = await bench(1)
    for (const sink of sinks) sink.breaksAt = 'write'
    await say('2')
    await say('3')
    expect([sinks[0]?.notes, node.counters.receivers, node.place]).toEqual([['fail internal'], 0, 3])
  })

  it('and throws again when it is told so is reported', async () => {
    const { sinks, say } = await bench(2)
    for (const sink of sinks) sink.failsToo = true
    const [first, second] = sinks
    if (first === undefined) throw new Error('there are two')
    first.breaksAt = 'write'
    await say('2')
    expect([reported, second?.notes]).toEqual([[new Error('and broke again')], ['a:2=2@2 -> 2']])
  })
})
