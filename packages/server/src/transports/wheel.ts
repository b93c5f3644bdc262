import type { Runtime } from '@fanfare/wire'

/** What is called when its time has come. */
export interface Timed {
  onTime(): void
}

const slots = 1024

/** One timer of the process for all that connections wait for: heartbeats, pings, held polls, stalled sockets. Late by one tick at most, never early. */
export class Wheel {
  readonly #runtime: Runtime
  readonly #tickMs: number
  readonly #slots: WheelTimer[][] = Array.from({ length: slots }, () => [])
  #now: number
  #count = 0
  #cancel: (() => void) | undefined

  constructor(runtime: Runtime, tickMs = 100) {
    this.#runtime = runtime
    this.#tickMs = tickMs
    this.#now = this.#ticks()
  }

  timer(owner: Timed): WheelTimer {
    return new WheelTimer(this, owner)
  }

  /** For WheelTimer only. */
  add(timer: WheelTimer, ms: number): void {
    if (this.#count++ === 0) {
      this.#now = this.#ticks()
      this.#arm()
    }
    timer.due = this.#now + Math.max(1, Math.ceil(ms / this.#tickMs) + 1)
    const slot = this.#slots[timer.due % slots] ?? []
    timer.index = slot.push(timer) - 1
  }

  /** For WheelTimer only. */
  remove(timer: WheelTimer): void {
    const slot = this.#slots[timer.due % slots] ?? []
    const last = slot.pop()
    if (last !== undefined && last !== timer) {
      slot[timer.index] = last
      last.index = timer.index
    }
    timer.index = -1
    if (--this.#count === 0) this.#disarm()
  }

  #ticks(): number {
    return Math.floor(this.#runtime.monotonic() / this.#tickMs)
  }

  #arm(): void {
    this.#cancel = this.#runtime.after(this.#tickMs, () => {
      this.#cancel = undefined
      this.#turn()
      if (this.#count > 0 && this.#cancel === undefined) this.#arm()
    })
  }

  #disarm(): void {
    this.#cancel?.()
    this.#cancel = undefined
  }

  /** A machine that slept may have missed more than one turn of the wheel: each slot is looked at once then. */
  #turn(): void {
    const target = this.#ticks()
    for (let tick = Math.max(this.#now + 1, target - slots + 1); tick <= target; tick++) {
      this.#now = tick
      const slot = this.#slots[tick % slots] ?? []
      for (let i = slot.length - 1; i >= 0; i--) {
        const timer = slot[i]
        if (timer !== undefined && timer.due <= target) timer.ring()
      }
    }
  }
}

/** A place on the wheel that is used again and again. */
export class WheelTimer {
  due = 0
  index = -1
  readonly #wheel: Wheel
  readonly #owner: Timed

  constructor(wheel: Wheel, owner: Timed) {
    this.#wheel = wheel
    this.#owner = owner
  }

  /** Begins anew where it runs already. */
  start(ms: number): void {
    this.stop()
    this.#wheel.add(this, ms)
  }

  stop(): void {
    if (this.index >= 0) this.#wheel.remove(this)
  }

  ring(): void {
    this.stop()
    this.#owner.onTime()
  }
}
