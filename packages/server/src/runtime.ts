import { randomBytes } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import type { Runtime } from '@fanfare/wire'

/** The machine's own clock, timers and randomness. */
export const systemRuntime: Runtime = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, call) {
    const timer = setTimeout(call, ms)
    timer.unref()
    return () => clearTimeout(timer)
  },
  soon: (call) => void setImmediate(call),
  random: (count) => randomBytes(count),
}
