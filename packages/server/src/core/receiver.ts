import { FanfareError } from '@fanfare/wire'
import type { Gap } from '@fanfare/wire'
import { missedBetween, toNewest } from './gaps.ts'
import type { GapDecision } from './gaps.ts'
import type { FeedWaiter, NodeState } from './node-state.ts'
import { findBeginnings } from './opening.ts'
import type { Beginning } from './opening.ts'
import type { Encoded, Page } from './page.ts'
import { ChannelPart } from './part.ts'
import type { ReceiveRequest } from './receive.ts'
import type { Chunk, Member } from './chunk.ts'
import { runOf } from './run.ts'
import type { Receiver, Sink } from './sink.ts'

/**
 * `opening`: asks where it begins. `waiting`: for a page or for the feed. `behind`: has something to do, and stands in a lane. `parked`: the sink
 * is full. `idle`: at the head, told of each commit. `live`: the same, in a lane for it. `chunk`: at the head, moved with others. `closed`: nothing
 * is called any more.
 */
type ReceiverState = 'opening' | 'waiting' | 'behind' | 'parked' | 'idle' | 'live' | 'chunk' | 'closed'

/** One cursor that moves on the log, with a part for each of its channels. There is one way on: `step`. */
export class CoreReceiver implements Receiver, FeedWaiter, Member {
  queued = false
  awaitedPlace = 0
  chunkSlot = -1
  readonly sink: Sink
  readonly #state: NodeState
  readonly #request: ReceiveRequest
  readonly #parts: ChannelPart[]
  #now: ReceiverState = 'opening'
  #place = 0
  #chunk: Chunk | undefined
  #begun = false
  /** `first` becomes `head` when its wait is over. */
  #reach: ReceiveRequest['reach']
  #written = 0
  #writtenBytes = 0
  /** The farthest place of a gap that was told: an empty answer leads there. */
  #toldAt = -1

  constructor(state: NodeState, request: ReceiveRequest, sink: Sink) {
    this.#state = state
    this.#request = request
    this.sink = sink
    this.#reach = request.reach
    this.#parts = request.channels.map(({ channel }) => new ChannelPart(state, channel, this))
    state.counters.receivers++
    this.#open()
  }

  get place(): number {
    return this.#chunk?.place ?? this.#place
  }

  step(): void {
    if (this.#now === 'closed' || this.#now === 'parked' || this.#now === 'opening') return
    const live = this.#now === 'live'
    this.#now = 'waiting'
    try {
      if (!this.#begun && !this.#begin()) return
      if (!this.#closed()) this.#advance(live)
    } catch (error) {
      this.broke(error)
    }
  }

  /** Something it waited for is there: a page, or the feed. */
  resume(): void {
    if (this.#now !== 'waiting') return
    this.#now = 'behind'
    this.#state.lanes.behind(this)
  }

  /** A commit touched one of its channels. */
  wake(): void {
    if (this.#now !== 'idle') return
    this.#now = 'live'
    this.#state.lanes.live(this)
  }

  drained(): void {
    if (this.#now !== 'parked') return
    this.#state.counters.parked--
    this.#now = 'behind'
    this.#state.lanes.behind(this)
  }

  expire(): void {
    if (this.#reach !== 'first') return
    this.#reach = 'head'
    if (this.#now !== 'idle') return
    this.#now = 'behind'
    this.#state.lanes.behind(this)
  }

  beat(): void {
    if (this.#reach !== 'endless' || this.sink.full) return
    if (this.#now === 'idle') this.#reached(this.#state.place)
    // All of its chunk have everything as well.
    else if (this.#chunk?.isAtHead === true) this.#chunk.place = this.#state.place
    else return
    this.sink.mark(this.place)
  }

  parkedAt(place: number, lastOffset: number | null): void {
    this.#leftChunk(place, lastOffset)
    this.#park()
  }

  scatteredAt(place: number, lastOffset: number | null): void {
    this.#leftChunk(place, lastOffset)
    this.#now = 'behind'
    this.#state.lanes.behind(this)
  }

  close(): void {
    if (this.#now === 'closed') return
    if (this.#now === 'parked') this.#state.counters.parked--
    this.#now = 'closed'
    this.#chunk?.leave(this)
    this.#chunk = undefined
    this.#state.counters.receivers--
    for (const part of this.#parts) part.close()
    this.#state.ended(this)
  }

  fail(error: FanfareError): void {
    if (this.#now === 'closed') return
    this.close()
    this.sink.fail(error)
  }

  broke(cause: unknown): void {
    if (this.#closed()) return this.#state.report(cause)
    try {
      this.fail(new FanfareError('internal', 'a sink threw', { cause }))
    } catch (error) {
      this.#state.report(error)
    }
  }

  #open(): void {
    const found = findBeginnings(this.#state.engine, this.#request, this.#state.place)
    if (!(found instanceof Promise)) return this.#opened(found)
    found.then(
      (beginnings) => this.#opened(beginnings),
      (error: unknown) =>
        this.fail(error instanceof FanfareError ? error : new FanfareError('internal', 'the engine could not answer', { cause: error })),
    )
  }

  #opened(beginnings: readonly Beginning[]): void {
    if (this.#closed()) return
    this.#parts.forEach((part, index) => part.beginAt(beginnings[index]))
    this.#now = 'behind'
    this.#state.lanes.behind(this)
  }

  /** Waits for the facts of every channel that may have lost something, then tells the gaps and the place in one. */
  #begin(): boolean {
    let waiting = false
    for (const part of this.#parts) {
      if (part.place > this.#state.place) return this.#waitForFeed(part.place)
      if (!part.waiting && part.askFirst()) waiting = true
      if (part.waiting) waiting = true
    }
    if (waiting) return false
    for (const part of this.#parts) {
      const decision = part.beginningGap()
      const at = decision?.at ?? part.silentPlace()
      if (at > this.#state.place) return this.#waitForFeed(at)
    }
    const gaps: Gap[] = []
    let place = Number.POSITIVE_INFINITY
    for (const part of this.#parts) {
      const decision = part.beginningGap()
      if (decision !== undefined) gaps.push(this.#takeGap(part, decision))
      else part.skipTo(part.silentPlace())
      place = Math.min(place, part.beginning)
    }
    this.#begun = true
    this.#place = place
    const [first] = gaps
    if (first !== undefined && this.#request.onGap === 'stop') this.#stop(first)
    else this.sink.begin(place, gaps)
    return true
  }

  /** On from where it stands: tell what is lost, or write the next run, or come to rest. */
  #advance(live: boolean): void {
    if (this.sink.full) return this.#park()
    let next: ChannelPart | undefined
    let second = Number.POSITIVE_INFINITY
    let waiting = false
    for (const part of this.#parts) {
      if (part.place < this.#place) part.place = this.#place
      const found = part.locate(live)
      if (found === 'gap') return this.#tellGap(part)
      if (found === 'read') waiting = true
      if (found !== 'entry') continue
      if (next === undefined || part.nextSeq < next.nextSeq) {
        if (next !== undefined) second = next.nextSeq
        next = part
      } else if (part.nextSeq < second) {
        second = part.nextSeq
      }
    }
    if (waiting) return this.#askPages()
    if (next === undefined) return this.#atHead()
    this.#writeRun(next, second, live)
  }

  #askPages(): void {
    if (this.#isCut()) return this.#finish(true)
    for (const part of this.#parts) part.askPage()
  }

  #writeRun(part: ChannelPart, second: number, live: boolean): void {
    const { page } = part
    if (page === undefined) return
    const encoded = page.encoded(this.#request.form, part.hub.channelJson, this.#state.tokens)
    part.hub.used(page)
    const from = part.nextIndex
    const to = this.#runEnd(page, encoded, from, second)
    if (to === from) return this.#finish(true)
    const last = page.publications[to - 1]
    if (last === undefined) return
    const bytes = encoded.slice(from, to)
    part.place = last.seq
    part.lastOffset = last.offset
    this.#place = last.seq
    this.#written += to - from
    this.#writtenBytes += bytes.length
    this.#state.lanes.writes++
    this.#state.lanes.bytes += bytes.length
    this.#state.counters.deliveries += to - from
    this.sink.write(bytes, runOf(last.seq, to - from))
    if (this.#closed()) return
    // No other channel has anything, and this one has no more.
    if (second === Number.POSITIVE_INFINITY && part.place >= part.hub.head) return this.#atHead()
    if (live) {
      this.#now = 'live'
      this.#state.lanes.live(this)
    } else {
      this.#now = 'behind'
      this.#state.lanes.behind(this)
    }
  }

  /** A run goes to the next entry of another channel, to the page's end, or to what the sink and the answer have room for. */
  #runEnd(page: Page, encoded: Encoded, from: number, second: number): number {
    const { publications } = page
    const most = this.#request.most
    const room = Math.min(this.sink.most, most === undefined ? Number.POSITIVE_INFINITY : most.bytes - this.#writtenBytes)
    const end = Math.min(publications.length, from + (most === undefined ? publications.length : most.publications - this.#written))
    if (second === Number.POSITIVE_INFINITY && room === Number.POSITIVE_INFINITY) return end
    let to = from
    while (to < end && (publications[to]?.seq ?? 0) < second && encoded.length(from, to + 1) <= room) to++
    const first = to === from && from < end && (most === undefined || this.#written === 0)
    return first ? from + 1 : to
  }

  /** The answer has all that it may hold. */
  #isCut(): boolean {
    const most = this.#request.most
    return most !== undefined && this.#written > 0 && (this.#written >= most.publications || this.#writtenBytes >= most.bytes)
  }

  #atHead(): void {
    if (this.#reach === 'head') return this.#finish(false)
    if (this.#reach === 'first' && (this.#written > 0 || this.#toldAt >= 0)) return this.#finish(false)
    this.#now = 'idle'
    this.#joinChunk()
  }

  /**
   * Who stands outside the chunks: several channels (a joined write of one would pass over another's entries), an end, finite room; and one alone,
   * until there is a second.
   */
  #joinChunk(): void {
    const [part] = this.#parts
    if (part?.hub.isShared !== true || this.#parts.length > 1 || this.#reach !== 'endless' || this.sink.most !== Number.POSITIVE_INFINITY)
      return
    part.hub.unfollow(part)
    this.#now = 'chunk'
    this.#chunk = part.hub.audience(this.#request.form).join(this, part.lastOffset)
  }

  #leftChunk(place: number, lastOffset: number | null): void {
    const [part] = this.#parts
    this.#chunk = undefined
    this.#place = place
    if (part === undefined) return
    part.place = place
    part.lastOffset = lastOffset
    part.hub.follow(part)
  }

  #finish(more: boolean): void {
    const place = this.#written === 0 && this.#toldAt > this.#place ? this.#toldAt : this.#place
    this.close()
    this.sink.finish(place, more)
  }

  #tellGap(part: ChannelPart): void {
    const decision = part.gapNow()
    if (decision === undefined) return
    if (this.#written > 0 && this.#reach !== 'endless') return this.#finish(true)
    if (decision.at > this.#state.place) {
      this.#waitForFeed(decision.at)
      return
    }
    const gap = this.#takeGap(part, decision)
    if (this.#request.onGap === 'stop') return this.#stop(gap)
    this.sink.gap(gap)
    if (this.#closed()) return
    this.#now = 'behind'
    this.#state.lanes.behind(this)
  }

  #takeGap(part: ChannelPart, decision: GapDecision): Gap {
    const chosen = this.#request.onGap === 'latest' ? toNewest(decision, part.hub, this.#state.place) : decision
    const countsAnew = part.place < part.hub.countsFrom
    const missed = countsAnew ? null : missedBetween(part.lastOffset, chosen)
    part.goOnFrom(chosen)
    this.#toldAt = Math.max(this.#toldAt, chosen.at)
    this.#state.counters.gaps[chosen.reason]++
    return { channel: part.hub.channel, reason: chosen.reason, missed, at: this.#state.tokens.token(chosen.at) }
  }

  #stop(gap: Gap): void {
    this.close()
    this.sink.stop(gap)
  }

  #park(): void {
    this.#now = 'parked'
    this.#state.counters.parked++
    // What it held is read again: pages in hand of all who are parked would have no bound.
    for (const part of this.#parts) part.page = undefined
    this.sink.park()
  }

  #waitForFeed(place: number): false {
    this.awaitedPlace = place
    this.#state.waitForFeed(this)
    return false
  }

  #reached(place: number): void {
    this.#place = place
    for (const part of this.#parts) if (part.place < place) part.place = place
  }

  #closed(): boolean {
    return this.#now === 'closed'
  }
}
