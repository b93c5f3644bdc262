import { describe, expect, it } from 'vitest'
import { newBench, since } from './core-bench.ts'

describe('a receiver without end', () => {
  it('begins with the place of the feed and gets what comes then, without asking the engine', async () => {
    const { publish, receive, runtime, engine } = await newBench()
    await publish('a', 'x')
    const { sink } = receive({})
    expect(sink.notes).toEqual([])
    await runtime.settle()
    await publish('a', 'y', 'z')
    expect(sink.notes).toEqual(['begin 1', 'a:2=y@2 -> 2', 'a:3=z@3 -> 3'])
    expect(engine.reads).toBe(0)
  })

  it('goes on from a cursor, page by page, then live', async () => {
    const { publish, receive, runtime } = await newBench()
    await publish('a', '1', '2', '3', '4', '5', '6')
    const { sink } = receive({ since: since(1) })
    await runtime.settle()
    await publish('a', '7')
    expect(sink.notes).toEqual(['begin 1', 'a:2=2@2 a:3=3@3 a:4=4@4 a:5=5@5 -> 5', 'a:6=6@6 -> 6', 'a:7=7@7 -> 7'])
  })

  it('gets several channels in the order of the log', async () => {
    const { publish, receive, runtime } = await newBench()
    await publish('a', '1')
    await publish('b', '1', '2')
    await publish('c', '1')
    await publish('a', '2')
    const { sink } = receive({ channels: ['a', 'b'], since: since(0) })
    await runtime.settle()
    await publish('b', '3')
    expect(sink.notes).toEqual(['begin 0', 'a:1=1@1 -> 1', 'b:1=1@2 b:2=2@3 -> 3', 'a:2=2@5 -> 5', 'b:3=3@6 -> 6'])
  })

  it('is parked once where its sink is full, and goes on from the log when it drains', async () => {
    const { publish, receive, runtime, node } = await newBench()
    const { sink, receiver } = receive({})
    await runtime.settle()
    sink.full = true
    await publish('a', '1', '2')
    await publish('a', '3')
    expect(sink.take()).toEqual(['begin 0', 'park'])
    expect(node.counters.parked).toBe(1)
    sink.full = false
    receiver.drained()
    await runtime.settle()
    expect(sink.take()).toEqual(['a:1=1@1 a:2=2@2 a:3=3@3 -> 3'])
    expect(node.counters.parked).toBe(0)
  })

  it('says in a heartbeat how far it is, and that is as far as the feed', async () => {
    const { publish, receive, runtime } = await newBench()
    const { sink, receiver } = receive({})
    receiver.beat()
    await runtime.settle()
    await publish('b', '1', '2')
    receiver.beat()
    expect(sink.notes).toEqual(['begin 0', 'mark 2'])
    expect(receiver.place).toBe(2)
  })
})

describe('a receiver whose reach has an end', () => {
  it('takes what there is up to the head', async () => {
    const { publish, receive, runtime } = await newBench()
    await publish('a', '1', '2', '3', '4', '5')
    const { sink } = receive({ since: since(0), reach: 'head' })
    await runtime.settle()
    expect(sink.notes).toEqual(['begin 0', 'a:1=1@1 a:2=2@2 a:3=3@3 a:4=4@4 -> 4', 'a:5=5@5 -> 5', 'finish 5'])
  })

  it('is cut by most, and says that there is more', async () => {
    const { publish, receive, runtime } = await newBench()
    await publish('a', '1', '2', '3', '4', '5')
    const { sink } = receive({ since: since(0), reach: 'head', most: { publications: 2, bytes: 1000 } })
    const whole = receive({ since: since(3), reach: 'head', most: { publications: 2, bytes: 1000 } })
    const long = receive({ since: since(0), reach: 'head', most: { publications: 9, bytes: 1 } })
    await runtime.settle()
    expect(sink.notes).toEqual(['begin 0', 'a:1=1@1 a:2=2@2 -> 2', 'finish 2 more'])
    expect(whole.sink.notes).toEqual(['begin 3', 'a:4=4@4 a:5=5@5 -> 5', 'finish 5'])
    expect(long.sink.notes).toEqual(['begin 0', 'a:1=1@1 -> 1', 'finish 1 more'])
  })

  it('answers an idle channel alike however busy the store', async () => {
    const { publish, receive, runtime } = await newBench()
    await publish('a', '1')
    const first = receive({ reach: 'head' })
    const given = receive({ reach: 'head', since: since(1) })
    await runtime.settle()
    await publish('b', '1', '2')
    const second = receive({ reach: 'head' })
    const again = receive({ reach: 'head', since: since(1) })
    await runtime.settle()
    for (const { sink } of [first, given, second, again]) expect(sink.notes).toEqual(['begin 1', 'finish 1'])
  })

  it('is held until its first publications', async () => {
    const { publish, receive, runtime } = await newBench()
    const { sink } = receive({ reach: 'first' })
    await runtime.settle()
    await publish('b', '1')
    expect(sink.take()).toEqual(['begin 0'])
    await publish('a', '1')
    expect(sink.take()).toEqual(['a:1=1@2 -> 2', 'finish 2'])
  })

  it('answers with nothing when the wait is over, also before its facts are there', async () => {
    const { receive, runtime } = await newBench()
    const held = receive({ reach: 'first' })
    await runtime.settle()
    held.receiver.expire()
    const early = receive({ reach: 'first', since: since(0) })
    early.receiver.expire()
    await runtime.settle()
    expect(held.sink.notes).toEqual(['begin 0', 'finish 0'])
    expect(early.sink.notes).toEqual(['begin 0', 'finish 0'])
  })
})

describe('a gap', () => {
  it('is told where the rule no longer keeps what comes next, and comes before the place', async () => {
    const { publish, receive, runtime } = await newBench({ keep: 2 })
    await publish('a', '1', '2', '3', '4', '5')
    const { sink } = receive({ since: since(1), reach: 'head' })
    await runtime.settle()
    expect(sink.notes).toEqual(['begin 3 (a trimmed missed null at 3)', 'a:4=4@4 a:5=5@5 -> 5', 'finish 5'])
  })

  it('says how many were missed within one connection', async () => {
    const { publish, receive, runtime } = await newBench({ keep: 2 })
    const { sink, receiver } = receive({})
    await runtime.settle()
    await publish('a', '1')
    sink.full = true
    await publish('a', '2', '3', '4', '5')
    sink.full = false
    receiver.drained()
    await runtime.settle()
    expect(sink.notes).toEqual(['begin 0', 'a:1=1@1 -> 1', 'park', 'gap (a trimmed missed 2 at 3)', 'a:4=4@4 a:5=5@5 -> 5'])
  })

  it('is told to the live ones when the channel is deleted', async () => {
    const { publish, receive, runtime, node } = await newBench()
    const { sink } = receive({})
    await runtime.settle()
    await publish('a', '1')
    await node.remove('a')
    await publish('a', '2')
    expect(sink.notes).toEqual(['begin 0', 'a:1=1@1 -> 1', 'gap (a deleted missed 0 at 2)', 'a:2=2@3 -> 3'])
    expect(node.counters.gaps.deleted).toBe(1)
  })

  it('ends an answer with publications, and is told by the next', async () => {
    const { publish, receive, runtime, node, engine } = await newBench()
    await publish('a', '1', '2', '3', '4', '5')
    engine.held = true
    await node.remove('a')
    const { sink } = receive({ since: since(0), reach: 'head' })
    await runtime.settle()
    expect(sink.notes).toEqual([])
    engine.release()
    await runtime.settle()
    expect(sink.notes).toEqual(['begin 6 (a deleted missed null at 6)', 'finish 6'])
  })

  it('names another store, or the last common place of another history', async () => {
    const { publish, receive, runtime, engine } = await newBench()
    await publish('a', '1', '2', '3')
    engine.verdict = () => ({ kind: 'new-log' })
    const foreign = receive({ since: since(2), reach: 'head' })
    await runtime.settle()
    engine.verdict = () => ({ kind: 'diverged', common: 1 })
    const diverged = receive({ since: since(2), reach: 'head' })
    await runtime.settle()
    expect(foreign.sink.notes).toEqual(['begin 0 (a new-log missed null at 0)', 'a:1=1@1 a:2=2@2 a:3=3@3 -> 3', 'finish 3'])
    expect(diverged.sink.notes).toEqual(['begin 1 (a diverged missed null at 1)', 'a:2=2@2 a:3=3@3 -> 3', 'finish 3'])
  })

  it('leads to the newest, or ends the receiver, where that was asked for', async () => {
    const { publish, receive, runtime } = await newBench({ keep: 2 })
    await publish('a', '1', '2', '3', '4', '5')
    const latest = receive({ since: since(1), reach: 'head', onGap: 'latest' })
    const stop = receive({ since: since(1), reach: 'head', onGap: 'stop' })
    await runtime.settle()
    expect(latest.sink.notes).toEqual(['begin 5 (a trimmed missed null at 5)', 'finish 5'])
    expect(stop.sink.notes).toEqual(['stop (a trimmed missed null at 3)'])
  })

  it('is not told to those who asked for the earliest', async () => {
    const { publish, receive, runtime } = await newBench({ keep: 2 })
    await publish('a', '1', '2', '3', '4', '5')
    const { sink } = receive({ since: { at: 'earliest' }, reach: 'head' })
    await runtime.settle()
    expect(sink.notes).toEqual(['begin 3', 'a:4=4@4 a:5=5@5 -> 5', 'finish 5'])
  })
})

describe('a feed that lags', () => {
  it('lets a cursor beyond it wait', async () => {
    const { publish, receive, runtime, engine } = await newBench()
    await publish('a', '1')
    engine.held = true
    await publish('a', '2')
    const { sink } = receive({ since: since(2) })
    await runtime.settle()
    expect(sink.notes).toEqual([])
    engine.release()
    await publish('a', '3')
    expect(sink.notes).toEqual(['begin 2', 'a:3=3@3 -> 3'])
  })

  it('fails who waits too long for a place that never comes', async () => {
    const { receive, runtime } = await newBench()
    const { sink } = receive({ since: since(7) })
    await runtime.pass(12_000)
    expect(sink.notes).toEqual(['fail overloaded'])
  })
})
