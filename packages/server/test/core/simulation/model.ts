import { parseCursor } from '@fanfare/wire'
import type { Cursor, Gap } from '@fanfare/wire'
import type { ChannelHistory, SimStore } from './sim-store.ts'

/** Thrown where core did what it must not; the text begins with the rule that it broke. */
export class Violation extends Error {}

export type Want =
  | { readonly at: 'cursor'; readonly cursor: Cursor }
  | { readonly at: 'earliest' }
  | { readonly at: 'latest' }
  | { readonly at: 'last'; readonly wanted: number }

interface Followed {
  readonly channel: string
  readonly want: Want
  /** Everything up to here was taken, or is told as a gap. */
  at: number
  /** Before its first publication, one that began without a cursor may skip what isn't kept. */
  loose: boolean
}

/** What one receiver must get: a place for each of its channels, judged by the history. */
export class ReceiverModel {
  readonly #store: SimStore
  readonly #feed: () => number
  readonly #followed: Followed[]
  readonly #eats: boolean
  readonly #asked: number
  #begun = false
  #last = -1
  #gapAt = -1
  #count = 0

  constructor(store: SimStore, feed: () => number, wants: readonly { readonly channel: string; readonly want: Want }[], onGap: string) {
    this.#store = store
    this.#feed = feed
    this.#asked = feed()
    this.#eats = onGap === 'latest'
    this.#followed = wants.map(({ channel, want }) => ({ channel, want, at: 0, loose: false }))
  }

  get begun(): boolean {
    return this.#begun
  }

  begin(place: number, gaps: readonly Gap[]): void {
    if (this.#begun) throw new Violation('begin once: it began twice')
    this.#begun = true
    for (const followed of this.#followed)
      this.#beginChannel(
        followed,
        gaps.filter(({ channel }) => channel === followed.channel),
      )
    this.cursor(place)
  }

  /** `onGap: stop` before it began. */
  stoppedAt(gap: Gap): void {
    const followed = this.#find(gap.channel)
    if (this.#begun) this.gap(gap)
    else this.#beginChannel(followed, [gap])
  }

  gap(gap: Gap): void {
    if (!this.#begun) throw new Violation('gap first: a gap before it began')
    const followed = this.#find(gap.channel)
    if (gap.reason === 'new-log' || gap.reason === 'diverged') throw new Violation(`false gap: ${gap.reason} in the middle`)
    this.#judge(followed, gap)
  }

  entry(channel: string, offset: number, seq: number, token: string): void {
    if (!this.#begun) throw new Violation('gap first: a publication before it began')
    this.#assertToken(token, seq)
    if (seq > this.#feed()) throw new Violation(`ahead: publication ${seq} before the feed brought it (${this.#feed()})`)
    if (seq <= this.#last) throw new Violation(`order: ${seq} after ${this.#last}`)
    const followed = this.#find(channel)
    const history = this.#store.channel(channel)
    if (followed.loose) this.#assertFirst(followed, history, seq)
    else this.#assertNext(followed, history, seq)
    if (history.entries[indexAfter(history, seq) - 1]?.offset !== offset)
      throw new Violation(`offset: ${channel} ${seq} has another offset than ${offset}`)
    followed.at = seq
    followed.loose = false
    this.#last = seq
    this.#count++
    this.cursor(seq)
  }

  /** A cursor that was handed out in whatever way: it passes over nothing. */
  cursor(place: number): void {
    if (place > this.#feed()) throw new Violation(`ahead: a cursor at ${place} before the feed was there (${this.#feed()})`)
    for (const followed of this.#followed) {
      const history = this.#store.channel(followed.channel)
      const missed = followed.loose ? keptAfter(history, followed.at) : history.entries[indexAfter(history, followed.at)]
      if (missed !== undefined && missed.seq <= place) throw new Violation(`cursor: ${place} passes over ${followed.channel} ${missed.seq}`)
      if (!followed.loose && history.deletions.some((seq) => seq > followed.at && seq <= place)) {
        throw new Violation(`cursor: ${place} passes over a deletion of ${followed.channel}`)
      }
    }
  }

  finish(place: number, more: boolean): void {
    this.cursor(place)
    if (this.#count === 0 && place < this.#gapAt) throw new Violation(`answer: an empty one leads to ${place}, its gap to ${this.#gapAt}`)
    if (this.#count === 0 && this.#gapAt < 0) this.#assertSamePlace(place, more)
    if (more) return
    const behind = this.behind(this.#feed())
    if (behind !== undefined) throw new Violation(`answer: it says no more, but there is ${behind}`)
  }

  /** What it should have got by now, if anything. */
  behind(through: number): string | undefined {
    for (const followed of this.#followed) {
      const history = this.#store.channel(followed.channel)
      const next = followed.loose ? keptAfter(history, followed.at) : history.entries[indexAfter(history, followed.at)]
      if (next !== undefined && next.seq <= through) return `${followed.channel} ${next.seq}`
      const deletion = followed.loose ? undefined : history.deletions.find((seq) => seq > followed.at && seq <= through)
      if (deletion !== undefined) return `deletion ${deletion} of ${followed.channel}`
    }
    return undefined
  }

  #assertSamePlace(place: number, more: boolean): void {
    if (more) throw new Violation('livelock: an empty answer says that there is more')
    const [first] = this.#followed
    if (this.#followed.length !== 1 || first === undefined || first.want.at !== 'cursor') return
    if (place !== first.want.cursor.seq) throw new Violation(`answer: an empty one moved from ${first.want.cursor.seq} to ${place}`)
  }

  #beginChannel(followed: Followed, gaps: readonly Gap[]): void {
    const { want } = followed
    const [gap] = gaps
    if (gaps.length > 1) throw new Violation(`one notice: ${followed.channel} got ${gaps.length}`)
    if (want.at !== 'cursor') {
      if (gap !== undefined) throw new Violation(`false gap: ${gap.reason} for ${want.at}`)
      followed.at = want.at === 'latest' ? this.#asked : want.at === 'last' ? want.wanted : 0
      followed.loose = true
      return
    }
    const verdict = this.#store.check(want.cursor)
    if (verdict.kind === 'same') {
      followed.at = want.cursor.seq
      if (gap !== undefined) this.#judge(followed, gap)
      return
    }
    if (gap?.reason !== verdict.kind) throw new Violation(`gap first: ${verdict.kind} was not told, but ${gap?.reason ?? 'nothing'}`)
    followed.at = verdict.kind === 'diverged' ? (verdict.common ?? 0) : 0
    this.#judge(followed, gap)
  }

  #judge(followed: Followed, gap: Gap): void {
    const at = parseCursor(gap.at)?.seq ?? -1
    this.#assertToken(gap.at, at)
    if (at > this.#feed()) throw new Violation(`ahead: a gap leads to ${at} before the feed was there`)
    const from = followed.at
    const history = this.#store.channel(followed.channel)
    const fact = this.#fact(history, gap, from, at)
    if (!fact) throw new Violation(`false gap: ${gap.reason} of ${followed.channel} from ${from} to ${at}`)
    const eaten = keptAfter(history, from)
    if (!this.#eats && eaten !== undefined && eaten.seq <= at) throw new Violation(`gap eats: ${followed.channel} ${eaten.seq} is kept`)
    const missed = indexAfter(history, at) - indexAfter(history, from)
    // One that began without a cursor may have begun later than it asked: then it missed less.
    if (gap.missed !== null && (followed.loose ? gap.missed > missed : gap.missed !== missed))
      throw new Violation(`missed: ${gap.missed} instead of ${missed} (${gap.reason} of ${followed.channel}, ${from} to ${at})`)
    followed.at = at
    followed.loose = false
    this.#gapAt = Math.max(this.#gapAt, at)
  }

  #fact(history: ChannelHistory, gap: Gap, from: number, at: number): boolean {
    switch (gap.reason) {
      case 'new-log':
      case 'diverged':
        return at >= from
      case 'deleted':
        return history.deletions.some((seq) => seq > from && seq <= at)
      case 'trimmed':
        return (
          at > from &&
          (this.#store.forgottenThrough > from || indexAfter(history, from) < Math.min(history.keptFrom, indexAfter(history, at)))
        )
      default:
        return gap.reason satisfies never
    }
  }

  #assertFirst(followed: Followed, history: ChannelHistory, seq: number): void {
    const before = keptAfter(history, followed.at)
    if (before !== undefined && before.seq < seq)
      throw new Violation(`lost: ${followed.channel} begins with ${seq}, but ${before.seq} is kept`)
  }

  #assertNext(followed: Followed, history: ChannelHistory, seq: number): void {
    const next = history.entries[indexAfter(history, followed.at)]
    if (seq <= followed.at) throw new Violation(`twice: ${followed.channel} ${seq} after ${followed.at}`)
    if (next?.seq !== seq) throw new Violation(`lost: ${followed.channel} ${seq} instead of ${next?.seq ?? 'nothing'} after ${followed.at}`)
    if (history.deletions.some((deletion) => deletion > followed.at && deletion < seq))
      throw new Violation(`gap first: a deletion of ${followed.channel} was not told`)
  }

  #assertToken(token: string, seq: number): void {
    const cursor = parseCursor(token)
    if (cursor?.seq !== seq || cursor.mark !== this.#store.markOf(seq)) throw new Violation(`token: ${token} is not that of ${seq}`)
  }

  #find(channel: string): Followed {
    const followed = this.#followed.find((other) => other.channel === channel)
    if (followed === undefined) throw new Violation(`channel: nobody asked for ${channel}`)
    return followed
  }
}

/** Index of the first entry of the history after the place. */
function indexAfter({ entries }: ChannelHistory, place: number): number {
  let low = 0
  let high = entries.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((entries[middle]?.seq ?? 0) <= place) low = middle + 1
    else high = middle
  }
  return low
}

function keptAfter(history: ChannelHistory, place: number): { readonly seq: number } | undefined {
  return history.entries[Math.max(history.keptFrom, indexAfter(history, place))]
}
