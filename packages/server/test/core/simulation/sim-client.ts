import { parseCursor } from '@fanfare/wire'
import type { Cursor, Gap } from '@fanfare/wire'
import type { Form } from '../../../src/core/form.ts'
import type { FanfareNode } from '../../../src/core/node-contract.ts'
import type { ReceiveRequest, Since } from '../../../src/core/receive.ts'
import { ReceiverModel } from './model.ts'
import type { Want } from './model.ts'
import type { Random } from './random.ts'
import { SimLink, SimSink } from './sim-link.ts'
import type { SimStore } from './sim-store.ts'

function newForm(key: string): Form {
  return {
    key,
    encode(out, publication, context) {
      out.ascii(`${key},${publication.channel},${publication.offset},`)
      out.raw(publication.data)
      out.ascii(`,${context.cursor};`)
    },
  }
}

const forms = [newForm('x'), newForm('yy')]

/** Its kind of transport, new at each connect. */
type Kind = 'stream' | 'several' | 'window' | 'poll' | 'hold'

const kinds: readonly Kind[] = ['stream', 'stream', 'several', 'window', 'poll', 'hold']

interface Begin {
  readonly since: Since
  readonly want: Want
}

/** Somebody who follows the same channels for ever, over whatever transport, and goes on from the cursor that arrived last. */
export class SimClient {
  link: SimLink | undefined
  node: FanfareNode | undefined
  readonly #store: SimStore
  readonly #random: Random
  readonly #channels: readonly string[]
  #cursors = new Map<string, Cursor>()

  constructor(store: SimStore, random: Random, channels: readonly string[]) {
    this.#store = store
    this.#random = random
    this.#channels = channels
  }

  /** Nothing more will come over this connection, or there is none. */
  get over(): boolean {
    return this.link === undefined || this.link.sinks.every(({ done }) => done)
  }

  connect(node: FanfareNode, kind: Kind = this.#random.pick(kinds)): void {
    this.cut()
    const random = this.#random
    if (random.oneIn(12)) this.#cursors.clear()
    const link = new SimLink(random.pick([1, 30, 60, 200, 5000]), kind === 'window' ? random.between(0, 120) : Number.POSITIVE_INFINITY)
    this.link = link
    this.node = node
    if (kind === 'several') {
      for (const channel of this.#channels) this.#receive(node, link, kind, [channel])
    } else {
      this.#receive(node, link, kind, this.#channels)
    }
  }

  cut(): void {
    this.link?.cut()
    this.link = undefined
    this.node = undefined
  }

  /** So that nothing but the log holds it up. */
  open(): void {
    const { link } = this
    if (link === undefined) return
    link.credit = Number.POSITIVE_INFINITY
    link.drain(link.buffered)
    for (const { receiver } of link.sinks) receiver?.expire()
  }

  #receive(node: FanfareNode, link: SimLink, kind: Kind, channels: readonly string[]): void {
    const random = this.#random
    const onGap = random.oneIn(10) ? 'latest' : random.oneIn(12) ? 'stop' : 'continue'
    const common = this.#common(node, channels)
    const own = channels.map((channel) => (common === undefined ? this.#own(channel, node) : undefined))
    const hasEnd = kind === 'poll' || kind === 'hold'
    const request: ReceiveRequest = {
      channels: channels.map((channel, index) => ({ channel, ...(own[index] === undefined ? {} : { since: own[index].since }) })),
      since: common?.since ?? this.#before(own),
      form: random.pick(forms),
      reach: kind === 'poll' ? 'head' : kind === 'hold' ? 'first' : 'endless',
      onGap,
      ...(hasEnd ? { most: { publications: random.between(1, 6), bytes: random.pick([1, 70, 200, 100_000]) } } : {}),
    }
    const wants = channels.map((channel, index) => ({
      channel,
      want: this.#want(channel, own[index]?.want ?? common?.want ?? { at: 'earliest' }, node),
    }))
    const sink = new SimSink(link, new ReceiverModel(this.#store, () => node.place, wants, onGap), request, {
      place: (place) => this.#took(channels, place),
      gap: (gap) => this.#gapped(channels, gap),
    })
    sink.opened(node.receive(request, sink))
  }

  /** One beginning for all channels, where there is one. */
  #common(node: FanfareNode, channels: readonly string[]): Begin | undefined {
    const cursors = channels.map((channel) => this.#cursors.get(channel))
    const [first] = cursors
    if (first !== undefined) {
      const same = cursors.every((cursor) => cursor?.seq === first.seq && cursor.mark === first.mark)
      return same ? fromCursor(first) : undefined
    }
    return cursors.every((cursor) => cursor === undefined) ? this.#fresh(node) : undefined
  }

  #own(channel: string, node: FanfareNode): Begin {
    const cursor = this.#cursors.get(channel)
    return cursor === undefined ? this.#fresh(node) : fromCursor(cursor)
  }

  /** A place that is common to all and before each channel's own changes nothing. */
  #before(own: readonly (Begin | undefined)[]): Since {
    const oldest = own
      .flatMap((begin) => (begin?.want.at === 'cursor' ? [begin.want.cursor] : []))
      .sort((a, b) => a.seq - b.seq)
      .at(0)
    const all = own.every((begin) => begin?.want.at === 'cursor' && begin.want.cursor.mark === oldest?.mark)
    return oldest !== undefined && all && this.#random.oneIn(2) ? { at: 'cursor', cursor: oldest } : { at: 'earliest' }
  }

  #fresh(_node: FanfareNode): Begin {
    const random = this.#random
    if (random.oneIn(3)) return { since: { at: 'earliest' }, want: { at: 'earliest' } }
    if (random.oneIn(2)) return { since: { at: 'latest' }, want: { at: 'latest' } }
    const count = random.between(1, 4)
    return { since: { at: 'last', count }, want: { at: 'last', wanted: count } }
  }

  /** `last` is turned into the place that it means now: nothing that is kept after it may be left out. */
  #want(channel: string, want: Want, node: FanfareNode): Want {
    return want.at === 'last' ? { at: 'last', wanted: this.#store.newest(channel, want.wanted, node.place) } : want
  }

  #took(channels: readonly string[], place: number): void {
    const cursor = { mark: this.#store.markOf(place), seq: place }
    for (const channel of channels) this.#cursors.set(channel, cursor)
  }

  /** A gap's place is a cursor for its channel; who follows one alone may take it. */
  #gapped(channels: readonly string[], gap: Gap): void {
    const cursor = parseCursor(gap.at)
    if (cursor !== undefined && channels.length === 1 && this.#random.oneIn(2)) this.#cursors.set(gap.channel, cursor)
  }
}

function fromCursor(cursor: Cursor): Begin {
  return { since: { at: 'cursor', cursor }, want: { at: 'cursor', cursor } }
}
