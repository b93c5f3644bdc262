import type { Form } from './form.ts'
import type { Follower, Hub } from './hub.ts'
import type { Stepper } from './lanes.ts'
import type { NodeState } from './node-state.ts'
import { runOf } from './run.ts'
import type { Outlet, Sink } from './sink.ts'

/** A receiver that stands at the head of its one channel and takes whatever comes. */
export interface Member {
  readonly sink: Sink
  /** Its index in the chunk. */
  chunkSlot: number
  /** It is out of the chunk, its sink is full, and it goes on from there. */
  parkedAt(place: number, lastOffset: number | null): void
  /** It is out of the chunk and steps for itself. */
  scatteredAt(place: number, lastOffset: number | null): void
  /** Its sink threw: it alone ends. */
  broke(cause: unknown): void
}

export interface ChunkOwner {
  /** The chunk's last member has left. */
  ended(chunk: Chunk): void
}

/**
 * Receivers of one audience that share one place. A sweep gives all of them all entries since then in one write each, and moves the place afterwards.
 * It knows no gap and no read: anything out of the ordinary scatters it, and its members step for themselves.
 */
export class Chunk implements Stepper, Follower {
  queued = false
  slot = -1
  place: number
  lastOffset: number | null
  readonly #state: NodeState
  readonly #hub: Hub
  readonly #form: Form
  readonly #owner: ChunkOwner
  /** A hole is one that left during a sweep. */
  readonly #members: (Member | undefined)[] = []
  /** Those of the members, at the same index: all that a sweep touches of a thousand members, which are out of the processor's caches by then. */
  readonly #outlets: (Outlet | undefined)[] = []
  #holes = 0
  #sweeping = false

  constructor(state: NodeState, hub: Hub, form: Form, owner: ChunkOwner) {
    this.#state = state
    this.#hub = hub
    this.#form = form
    this.#owner = owner
    this.place = hub.head
    this.lastOffset = hub.lastOffset
    hub.follow(this)
  }

  /** Swept up to the head, and not full: only then may one join that stands at the head itself. */
  get hasRoom(): boolean {
    return this.place >= this.#hub.head && this.#members.length < this.#state.sizes.chunkMembers && !this.#sweeping
  }

  get isAtHead(): boolean {
    return this.place >= this.#hub.head
  }

  join(member: Member, lastOffset: number | null): void {
    this.#put(member)
    this.lastOffset ??= lastOffset
  }

  leave(member: Member): void {
    if (this.#sweeping) {
      this.#members[member.chunkSlot] = undefined
      this.#outlets[member.chunkSlot] = undefined
      this.#holes++
    } else {
      const last = this.#members.pop()
      const outlet = this.#outlets.pop()
      if (last !== undefined && last !== member) {
        this.#members[member.chunkSlot] = last
        this.#outlets[member.chunkSlot] = outlet
        last.chunkSlot = member.chunkSlot
      }
    }
    member.chunkSlot = -1
    this.#endIfEmpty()
  }

  wake(): void {
    this.#state.lanes.live(this)
  }

  step(): void {
    const hub = this.#hub
    if (this.#members.length === 0 || this.place >= hub.head) return
    const page = hub.deletedAt > this.place ? undefined : hub.lookup(this.place, true)
    if (page === undefined) return this.#scatter()
    const from = page.indexAfter(this.place)
    const to = page.publications.length
    const last = page.publications[to - 1]
    if (from === to || last === undefined) {
      this.place = page.through
    } else {
      const bytes = page.encoded(this.#form, hub.channelJson, this.#state.tokens).slice(from, to)
      hub.used(page)
      this.#sweep(bytes, last.seq, to - from)
      this.place = last.seq
      this.lastOffset = last.offset
      this.#endIfEmpty()
    }
    if (this.#members.length > 0 && this.place < hub.head) this.#state.lanes.live(this)
  }

  /** The hot path: one write a member. Who is full leaves with the place unmoved; who throws ends, and the sweep goes on behind it. */
  #sweep(bytes: Uint8Array, place: number, count: number): void {
    const outlets = this.#outlets
    const total = outlets.length
    const run = runOf(place, count)
    let kept = 0
    let served = 0
    let i = 0
    let slot = 0
    this.#sweeping = true
    while (i < total) {
      try {
        while (i < total) {
          slot = i++
          const outlet = outlets[slot]
          if (outlet === undefined) continue
          if (outlet.full) {
            this.#park(slot)
            continue
          }
          if (kept !== slot) this.#move(slot, kept)
          slot = kept++
          served++
          outlet.write(bytes, run)
        }
      } catch (error) {
        const member = this.#members[slot]
        if (member === undefined) this.#state.report(error)
        else member.broke(error)
      }
    }
    this.#members.length = kept
    outlets.length = kept
    this.#sweeping = false
    if (this.#holes > 0) this.#closeHoles()
    this.#state.lanes.writes += served
    this.#state.counters.deliveries += served * count
  }

  #park(slot: number): void {
    const member = this.#members[slot]
    this.#members[slot] = undefined
    this.#outlets[slot] = undefined
    if (member === undefined) return
    member.chunkSlot = -1
    try {
      member.parkedAt(this.place, this.lastOffset)
    } catch (error) {
      member.broke(error)
    }
  }

  #move(from: number, to: number): void {
    const member = this.#members[from]
    this.#members[to] = member
    this.#outlets[to] = this.#outlets[from]
    this.#members[from] = undefined
    this.#outlets[from] = undefined
    if (member !== undefined) member.chunkSlot = to
  }

  #put(member: Member): void {
    member.chunkSlot = this.#members.length
    this.#members.push(member)
    this.#outlets.push(member.sink.outlet ?? member.sink)
  }

  /** Sinks that end their receiver from inside a write must not make another one be served twice. */
  #closeHoles(): void {
    this.#holes = 0
    const left = this.#members.filter((member) => member !== undefined)
    this.#members.length = 0
    this.#outlets.length = 0
    for (const member of left) this.#put(member)
  }

  #scatter(): void {
    const members = this.#members.splice(0)
    this.#outlets.length = 0
    this.#endIfEmpty()
    for (const member of members) member?.scatteredAt(this.place, this.lastOffset)
  }

  #endIfEmpty(): void {
    if (this.#members.length > 0 || this.#sweeping || this.slot < 0) return
    this.#hub.unfollow(this)
    this.#owner.ended(this)
  }
}
