import { FanfareError } from '@fanfare/wire'
import type { Publication } from '@fanfare/wire'
import type { Facts, Page as EnginePage } from '../engines/engine.ts'
import { Audience } from './audience.ts'
import type { Form } from './form.ts'
import type { Ground } from './gaps.ts'
import type { NodeState } from './node-state.ts'
import { Page } from './page.ts'
import type { PageOwner } from './page-cache.ts'

/** Is told of each commit that touches the channel: a part, or a chunk of receivers. */
export interface Follower {
  /** Its index in the hub's list. */
  slot: number
  /** Harmless unless it stands at the head. */
  wake(): void
}

/** A receiver's place in one channel. */
export interface Part extends Follower {
  readonly hub: Hub
  waiting: boolean
  /** Handed over by the read that it waited for. */
  page: Page | undefined
  /** The read has its answer: `page` is set. */
  answered(): void
  failed(error: FanfareError): void
}

/**
 * One channel in one node: its head, its lost ground, its pages in memory and who follows it. Born at the feed's place: whatever stands at or after
 * its head needs no read. It lives as long as anybody holds a part of it.
 */
export class Hub implements Ground, PageOwner {
  readonly channel: string
  readonly channelJson: string
  /** Newest entry (a deletion too) that the feed brought, at first the place of birth: nothing lies between it and the feed. */
  head: number
  deletedAt = 0
  deletedOffset: number | null = null
  trimmedSeq = 0
  trimmedOffset: number | null = null
  lastSeq = 0
  lastOffset: number | null = null
  /** Place of the newest first publication: a channel that was forgotten counts anew, and offsets from before can't be compared. */
  countsFrom = 0
  /** Stands in the commit that is being taken. */
  touched = false
  readonly #state: NodeState
  readonly #keep: number
  readonly #followers: Follower[] = []
  #audiences: Map<string, Audience> | undefined
  readonly #pages: Page[] = []
  /** Reads under way: those who wait for the page after a place. */
  #flights: Map<number, Part[]> | undefined
  #open: Page
  #held = 0
  #jumpedTo = 0

  constructor(state: NodeState, channel: string) {
    this.#state = state
    this.channel = channel
    this.channelJson = JSON.stringify(channel)
    this.#keep = state.rules.of(channel).keep.publications ?? Number.POSITIVE_INFINITY
    this.head = state.place
    this.#open = this.#newOpenPage()
  }

  /** Each hold has its release; the last one ends the hub. */
  hold(): void {
    this.#held++
  }

  release(): void {
    this.#held--
    if (this.#held > 0) return
    this.#dropPages()
    this.#state.hubs.delete(this.channel)
  }

  follow(follower: Follower): void {
    if (follower.slot >= 0) return
    follower.slot = this.#followers.length
    this.#followers.push(follower)
  }

  unfollow(follower: Follower): void {
    if (follower.slot < 0) return
    const last = this.#followers.pop()
    if (last !== undefined && last !== follower) {
      this.#followers[follower.slot] = last
      last.slot = follower.slot
    }
    follower.slot = -1
  }

  /** Others hold it too: then it pays to move them together. */
  get isShared(): boolean {
    return this.#held > 1
  }

  /** The last of the audience has left. */
  audienceEnded(key: string): void {
    this.#audiences?.delete(key)
  }

  /** Those to whom the same bytes go. */
  audience(form: Form): Audience {
    const { key } = form
    this.#audiences ??= new Map()
    let audience = this.#audiences.get(key)
    if (audience === undefined) this.#audiences.set(key, (audience = new Audience(this.#state, this, form)))
    return audience
  }

  /** A publication from the feed. */
  take(publication: Publication): void {
    const { pagePublications, pageBytes } = this.#state.sizes
    if (this.#open.publications.length >= pagePublications || this.#open.bytes >= pageBytes) this.#openNext()
    if (publication.offset === 1) this.countsFrom = publication.seq
    this.head = publication.seq
    this.lastSeq = publication.seq
    this.lastOffset = publication.offset
    this.#open.add(publication)
  }

  /** A deletion from the feed. */
  remove(seq: number): void {
    this.#dropPages()
    this.head = seq
    if (seq >= this.deletedAt) {
      this.deletedAt = seq
      this.deletedOffset = this.lastOffset
    }
    this.#open = this.#newOpenPage()
  }

  /** The feed went on to the place without telling what lies before it: that is the engine's to say. */
  jump(place: number): void {
    this.#dropPages()
    this.head = place
    this.lastSeq = 0
    this.lastOffset = null
    this.countsFrom = place
    this.#jumpedTo = place
    this.#open = this.#newOpenPage()
    this.#wakeFollowers()
  }

  /** The commit is taken: count what it brought and wake who stands at the head. */
  committed(): void {
    this.touched = false
    this.#state.cache.put(this.#open, this)
    this.#wakeFollowers()
  }

  /**
   * A page in memory that covers the place. Who lags is refused what the rule no longer keeps by its count: there the engine decides, and its
   * facts tell the gap. `live`: was at the head until now.
   */
  lookup(place: number, live: boolean): Page | undefined {
    const page = this.#find(place)
    if (page === undefined || live || this.lastOffset === null || this.#keep === Number.POSITIVE_INFINITY) return page
    const next = page.publications[page.indexAfter(place)]
    return next !== undefined && next.offset <= this.lastOffset - this.#keep ? undefined : page
  }

  /** Used for a delivery: it goes to the end of those that may be evicted. */
  used(page: Page): void {
    this.#state.cache.touch(page)
  }

  /** Asks the engine for the page after the place; those who ask for the same place share the answer. */
  read(place: number, part: Part): void {
    part.waiting = true
    this.#flights ??= new Map()
    const flight = this.#flights.get(place)
    if (flight !== undefined) {
      flight.push(part)
      return
    }
    const waiters = [part]
    this.#flights.set(place, waiters)
    this.#state.reads.ask(() => this.#ask(place, waiters))
  }

  evicted(page: Page): void {
    if (page === this.#open) {
      page.through = this.head
      this.#open = this.#newOpenPage()
      return
    }
    const at = this.#pages.indexOf(page)
    if (at >= 0) this.#pages.splice(at, 1)
  }

  async #ask(place: number, asking: Part[]): Promise<void> {
    if (asking.every((part) => !part.waiting)) {
      this.#flights?.delete(place)
      return
    }
    try {
      // No further than the feed: a cursor must not overtake the tail.
      const through = this.#state.place
      this.#answered(place, asking, through, await this.#state.engine.read(this.channel, place, through))
    } catch (error) {
      this.#flights?.delete(place)
      const failure = error instanceof FanfareError ? error : new FanfareError('internal', 'the engine could not read', { cause: error })
      for (const part of asking) if (part.waiting) part.failed(failure)
    }
  }

  #answered(place: number, asking: Part[], asked: number, answer: EnginePage): void {
    this.#flights?.delete(place)
    this.#learn(answer.facts, asked)
    const from = Math.max(answer.from, answer.facts.trimmed.seq, answer.facts.deletedAt)
    const page = new Page(from, answer.through, [...answer.publications])
    const waiters = asking.filter((part) => part.waiting)
    const kept = this.#state.hubs.get(this.channel) === this && from < page.through
    if (kept && (waiters.length > 1 || this.#state.cache.askedBefore(this.channel, place))) this.#insert(page)
    for (const part of waiters) {
      part.waiting = false
      part.page = page
      part.answered()
    }
  }

  #wakeFollowers(): void {
    for (let i = this.#followers.length - 1; i >= 0; i--) this.#followers[i]?.wake()
  }

  /** Facts only grow. They may be newer than the feed. */
  #learn(facts: Facts, asked: number): void {
    if (facts.deletedAt > this.deletedAt) {
      this.deletedAt = facts.deletedAt
      this.deletedOffset = facts.lastSeq < facts.deletedAt ? facts.lastOffset : null
    }
    if (facts.trimmed.seq > this.trimmedSeq) {
      this.trimmedSeq = facts.trimmed.seq
      this.trimmedOffset = facts.trimmed.offset
    }
    // Of an answer from before a jump nobody knows what the jump passed over.
    if (asked >= this.#jumpedTo && facts.lastSeq > this.lastSeq && facts.lastSeq <= this.#state.place) {
      this.lastSeq = facts.lastSeq
      this.lastOffset = facts.lastOffset
    }
  }

  /** The rightmost page that begins at or before the place, or one of a few before it: overlapping pages are normal. */
  #find(place: number): Page | undefined {
    if (this.#open.covers(place)) return this.#open
    for (let i = this.#indexAfter(place) - 1, tries = 0; i >= 0 && tries < 4; i--, tries++) {
      const page = this.#pages[i]
      if (page?.covers(place) === true) return page
    }
    return undefined
  }

  #indexAfter(place: number): number {
    let low = 0
    let high = this.#pages.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#pages[middle]?.from ?? 0) <= place) low = middle + 1
      else high = middle
    }
    return low
  }

  #insert(page: Page): void {
    this.#pages.splice(this.#indexAfter(page.from), 0, page)
    this.#state.cache.put(page, this)
  }

  #openNext(): void {
    const full = this.#open
    full.through = this.head
    this.#insert(full)
    this.#open = this.#newOpenPage()
  }

  #newOpenPage(): Page {
    return new Page(this.head, Number.POSITIVE_INFINITY, [])
  }

  #dropPages(): void {
    for (const page of this.#pages) this.#state.cache.remove(page)
    this.#pages.length = 0
    // Somebody may have it in hand: it grows no more.
    this.#open.through = this.head
    this.#state.cache.remove(this.#open)
  }
}
