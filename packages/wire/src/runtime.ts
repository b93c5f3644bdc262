/** What differs between a real run and a simulated one. Core and engines get time and chance from here and from nowhere else. */
export interface Runtime {
  /** Wall clock in milliseconds since 1970; may jump. */
  now(): number
  /** Milliseconds that only grow; for durations. */
  monotonic(): number
  /** Calls once after `ms`; returns what cancels it. Does not keep the process alive. */
  after(ms: number, call: () => void): () => void
  /** Calls in a later turn of the event loop, before timers of 1 ms. */
  soon(call: () => void): void
  /** Unpredictable bytes. */
  random(count: number): Uint8Array
}
