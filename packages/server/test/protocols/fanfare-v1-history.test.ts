import { limits } from '@fanfare/wire'
import type { Gap } from '@fanfare/wire'
import { describe, expect, it } from 'vitest'
import type { Receiver, Sink } from '../../src/core/sink.ts'
import { HistorySink } from '../../src/protocols/fanfare-v1-history.ts'
import { newBench } from '../core/core-bench.ts'

describe('what history answers', () => {
  it('names each channel in one gap, however often it lost ground before anything was written', async () => {
    const { node } = await newBench()
    const made: Sink[] = []
    const receiver: Receiver = { place: 0, drained() {}, expire() {}, beat() {}, close() {} }
    const receive = (_request: unknown, sink: Sink): Receiver => {
      made.push(sink)
      return receiver
    }
    const context = { node: { ...node, receive }, limits, nodeName: 'n', report() {} }
    const replies: string[] = []
    const sink = new HistorySink(context, { kind: 'history', id: '1', channel: 'a', limit: 10 }, (reply) => replies.push(reply))
    expect(made).toEqual([sink])
    const gap = (missed: number, at: string): Gap => ({ channel: 'a', reason: 'trimmed', missed, at })
    sink.begin(0, [gap(2, 'x')])
    sink.gap(gap(3, 'y'))
    sink.finish(5, false)
    expect(JSON.parse(replies[0] ?? '')).toMatchObject({ id: 1, ok: { gaps: [gap(5, 'y')] } })
  })
})
