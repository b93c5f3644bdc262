import type { FanfareError } from '@fanfare/wire'
import { decideGap, oldestPlace } from './gaps.ts'
import type { GapDecision, Void } from './gaps.ts'
import { Hub } from './hub.ts'
import type { Part } from './hub.ts'
import type { NodeState } from './node-state.ts'
import type { Beginning } from './opening.ts'
import type { Page } from './page.ts'

/** Who a part belongs to. */
interface PartOwner {
  resume(): void
  wake(): void
  fail(error: FanfareError): void
}

/** One receiver's place in one channel, never before the receiver's own. */
export class ChannelPart implements Part {
  readonly hub: Hub
  slot = -1
  waiting = false
  page: Page | undefined
  place = 0
  /** Offset of the last publication it took, where it took one; then `missed` is exact. */
  lastOffset: number | null = null
  /** What `locate` found: the next entry is `page.publications[nextIndex]`. */
  nextIndex = 0
  nextSeq = 0
  /** The place that a resume from the receiver's beginning needs for this channel. */
  beginning = 0
  readonly #owner: PartOwner
  #silent = false
  #broken: Void | undefined
  #asked = false

  constructor(state: NodeState, channel: string, owner: PartOwner) {
    this.#owner = owner
    this.hub = hubOf(state, channel)
    this.hub.hold()
    this.hub.follow(this)
  }

  beginAt(beginning: Beginning | undefined): void {
    if (beginning === undefined) return
    this.place = Math.max(beginning.place, beginning.empty)
    this.beginning = beginning.place
    this.#silent = beginning.silent
    this.#broken = beginning.broken
  }

  wake(): void {
    this.#owner.wake()
  }

  answered(): void {
    this.#owner.resume()
  }

  failed(error: FanfareError): void {
    this.waiting = false
    this.#owner.fail(error)
  }

  close(): void {
    this.waiting = false
    this.page = undefined
    this.hub.unfollow(this)
    this.hub.release()
  }

  /** Asks the engine once, even where memory has the page: retention and deletion are its to tell. True where it asked. */
  askFirst(): boolean {
    if (this.#asked || (this.#broken === undefined && this.place >= this.hub.head)) return false
    this.#asked = true
    this.hub.read(this.place, this)
    return true
  }

  beginningGap(): GapDecision | undefined {
    return this.#silent ? undefined : decideGap(this.place, this.#broken, this.hub)
  }

  /** Where one begins that is told no gap: nothing before it is kept. */
  silentPlace(): number {
    return this.#silent ? Math.max(this.place, oldestPlace(this.hub)) : this.place
  }

  skipTo(place: number): void {
    if (this.beginning < place && this.place < place) this.beginning = place
    this.place = place
  }

  goOnFrom(gap: GapDecision): void {
    this.place = gap.at
    this.beginning = gap.at
    this.lastOffset = gap.offset
    this.page = undefined
    this.#broken = undefined
  }

  gapNow(): GapDecision | undefined {
    return decideGap(this.place, undefined, this.hub)
  }

  /** Where the next entry is. What is in hand, or in memory for those who were at the head, comes before a trimmed gap: it isn't lost for them. */
  locate(live: boolean): 'head' | 'entry' | 'gap' | 'read' {
    const { hub } = this
    while (this.place < hub.head) {
      if (hub.deletedAt > this.place) return 'gap'
      if (this.waiting) return 'read'
      const page = (this.page = this.#findPage(live))
      if (page === undefined) return hub.trimmedSeq > this.place ? 'gap' : 'read'
      const index = page.indexAfter(this.place)
      const next = page.publications[index]
      if (next !== undefined) {
        this.nextIndex = index
        this.nextSeq = next.seq
        return 'entry'
      }
      this.page = undefined
      this.place = page.through
    }
    this.page = undefined
    return 'head'
  }

  askPage(): void {
    if (this.waiting || this.page !== undefined || this.place >= this.hub.head) return
    this.hub.read(this.place, this)
  }

  #findPage(live: boolean): Page | undefined {
    if (this.page?.covers(this.place) === true) return this.page
    const found = this.hub.lookup(this.place, live)
    return live || found === undefined || this.hub.trimmedSeq <= this.place ? found : undefined
  }
}

function hubOf(state: NodeState, channel: string): Hub {
  const known = state.hubs.get(channel)
  if (known !== undefined) return known
  const hub = new Hub(state, channel)
  state.hubs.set(channel, hub)
  return hub
}
