import { describe, expect, it } from 'vitest'
import { Wheel } from '../../src/transports/wheel.ts'
import { ManualRuntime } from '../support/manual-runtime.ts'

function setUp(): { runtime: ManualRuntime; wheel: Wheel; rung: string[]; timer: (name: string) => ReturnType<Wheel['timer']> } {
  const runtime = new ManualRuntime()
  const wheel = new Wheel(runtime)
  const rung: string[] = []
  return { runtime, wheel, rung, timer: (name) => wheel.timer({ onTime: () => void rung.push(`${name} ${runtime.now()}`) }) }
}

describe('the wheel', () => {
  it.each([1, 99, 100, 101, 2500, 60_000, 102_400, 150_000, 600_000])(
    'rings after %d ms, never before, and at most two ticks later',
    (ms) => {
      const { runtime, rung, timer } = setUp()
      runtime.pass(37)
      timer('a').start(ms)
      runtime.pass(ms - 1)
      expect(rung).toEqual([])
      runtime.pass(201)
      expect(rung).toHaveLength(1)
    },
  )

  it('rings once for each start, and not at all after a stop', () => {
    const { runtime, rung, timer } = setUp()
    const once = timer('once')
    const stopped = timer('stopped')
    once.start(500)
    stopped.start(500)
    stopped.stop()
    stopped.stop()
    runtime.pass(5000)
    expect(rung.map((ring) => ring.split(' ')[0])).toEqual(['once'])
    once.start(100)
    runtime.pass(1000)
    expect(rung).toHaveLength(2)
  })

  it('begins anew where a timer runs already', () => {
    const { runtime, rung, timer } = setUp()
    const beat = timer('beat')
    beat.start(1000)
    runtime.pass(900)
    beat.start(1000)
    runtime.pass(900)
    expect(rung).toEqual([])
    runtime.pass(400)
    expect(rung).toHaveLength(1)
  })

  it('lets a timer start itself and stop its neighbours while it rings', () => {
    const runtime = new ManualRuntime()
    const wheel = new Wheel(runtime)
    let beats = 0
    const others = Array.from({ length: 50 }, () => wheel.timer({ onTime: () => (beats += 100) }))
    const beat = wheel.timer({
      onTime() {
        beats++
        for (const other of others) other.stop()
        if (beats < 3) beat.start(300)
      },
    })
    for (const other of others.slice(0, 25)) other.start(600)
    beat.start(300)
    for (const other of others.slice(25)) other.start(600)
    runtime.pass(5000)
    expect(beats).toBe(3)
  })

  it('has no timer of the machine while nobody waits', () => {
    const { runtime, timer } = setUp()
    const timers = Array.from({ length: 1000 }, (_, i) => timer(`t${i}`))
    expect(runtime.waiting).toBe(0)
    for (const one of timers) one.start(1000)
    expect(runtime.waiting).toBe(1)
    for (const one of timers.slice(0, 500)) one.stop()
    runtime.pass(2000)
    expect(runtime.waiting).toBe(0)
  })

  it('rings all that are due after the machine has slept', () => {
    const { rung, timer } = setUp()
    const slept = new ManualRuntime()
    const wheel = new Wheel(slept)
    let count = 0
    for (let ms = 100; ms < 300_000; ms += 997) wheel.timer({ onTime: () => void count++ }).start(ms)
    // The clock jumps by an hour between two ticks.
    const jumped = Object.assign(slept, { monotonic: () => 3_600_000 })
    jumped.pass(200)
    expect(count).toBe(301)
    expect(rung).toEqual([])
    expect(timer('x').index).toBe(-1)
  })
})
