import { describe, expect, it } from 'vitest'
import { newBench } from './core-bench.ts'
import { SmallEngine } from './small-engine.ts'

/** Loses every notification while `losing`, and does not say where its head is while `silent`. */
class LosingEngine extends SmallEngine {
  losing = false
  silent = false

  override head(): ReturnType<SmallEngine['head']> {
    return this.silent ? Promise.reject(new Error('no answer')) : super.head()
  }

  override follow(...[from, onCommit]: Parameters<SmallEngine['follow']>): () => void {
    return super.follow(from, (commit) => {
      if (!this.losing) onCommit(commit)
    })
  }
}

describe('the feed', () => {
  it('finds the last notification that was lost by the head of the store', async () => {
    const engine = new LosingEngine()
    const { publish, receive, runtime } = await newBench({ engine })
    const { sink } = receive({})
    await runtime.settle()
    engine.losing = true
    await publish('a', '1')
    engine.losing = false
    await runtime.pass(2500)
    expect(sink.notes).toEqual(['begin 0', 'a:1=1@1 -> 1'])
  })

  it('goes on from where it stands when one in between was lost', async () => {
    const engine = new LosingEngine()
    const { publish, receive, runtime } = await newBench({ engine })
    const { sink } = receive({})
    await runtime.settle()
    engine.losing = true
    await publish('a', '1')
    engine.losing = false
    await publish('a', '2')
    expect(sink.notes).toEqual(['begin 0', 'a:1=1@1 a:2=2@2 -> 2'])
  })

  it('makes the node not ready where it stays behind, and ready when it is there again', async () => {
    const engine = new LosingEngine()
    const { publish, runtime, node } = await newBench({ engine })
    engine.losing = true
    engine.silent = true
    await publish('a', '1')
    expect(node.ready).toBe(true)
    await runtime.pass(15_000)
    expect(node.ready).toBe(false)
    engine.silent = false
    await runtime.pass(3000)
    expect(node.ready).toBe(true)
    expect(node.place).toBe(1)
  })

  it('ends with the node: nothing is delivered, and no timer is left', async () => {
    const { publish, receive, runtime, node } = await newBench()
    const { sink } = receive({})
    await runtime.settle()
    node.close()
    await publish('a', '1')
    await runtime.pass(5000)
    expect(sink.notes).toEqual(['begin 0'])
    expect(runtime.timers).toBe(0)
  })
})
