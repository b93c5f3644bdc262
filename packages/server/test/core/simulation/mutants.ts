export interface Mutant {
  /** What goes wrong, as a user would see it in the code. */
  readonly trap: string
  /** Files below `packages/server`; each text occurs exactly once. A neighbour that hides the fault is switched off by a change of its own. */
  readonly changes: readonly { readonly file: string; readonly from: string; readonly to: string }[]
}

const receiver = 'src/core/receiver.ts'
const part = 'src/core/part.ts'
const hub = 'src/core/hub.ts'
const chunk = 'src/core/chunk.ts'
const opening = 'src/core/opening.ts'
const feed = 'src/core/feed.ts'
const tokens = 'src/core/tokens.ts'
const page = 'src/core/page.ts'
const simEngine = 'test/core/simulation/sim-engine.ts'
const simLink = 'test/core/simulation/sim-link.ts'

/** The traps that a first, thrown-away core fell into, and those that this one did. Each is put back, and the simulation must see it. */
export const mutants: readonly Mutant[] = [
  {
    trap: 'an engine returns entries beyond the range that it claims',
    changes: [{ file: simEngine, from: 'this.#store.kept(channel, after, through)', to: 'this.#store.kept(channel, after, through + 3)' }],
  },
  {
    trap: 'a read goes past the feed, so that a cursor overtakes the tail',
    changes: [
      { file: hub, from: 'read(this.channel, place, through)', to: 'read(this.channel, place, through + 3)' },
      {
        file: simEngine,
        from: 'const kept = this.#store.kept(channel, after, through)',
        to: 'const kept = this.#store.kept(channel, after, Math.min(through, this.#store.seq))',
      },
    ],
  },
  {
    trap: 'facts newer than the feed lead a receiver that has begun ahead of it',
    changes: [{ file: receiver, from: 'if (decision.at > this.#state.place) {', to: 'if (decision.at < 0) {' }],
  },
  {
    trap: 'facts newer than the feed let a receiver begin ahead of it',
    changes: [
      { file: receiver, from: 'if (at > this.#state.place) return this.#waitForFeed(at)', to: 'if (at < 0) return this.#waitForFeed(at)' },
    ],
  },
  {
    trap: 'a hub is dropped while its only receivers are parked',
    changes: [
      {
        file: receiver,
        from: 'for (const part of this.#parts) part.page = undefined\n',
        to: 'for (const part of this.#parts) part.hub.release()\n',
      },
      {
        file: receiver,
        from: "if (this.#now !== 'parked') return\n",
        to: "if (this.#now !== 'parked') return\n    for (const part of this.#parts) part.hub.hold()\n",
      },
    ],
  },
  {
    trap: 'a page that was read for a waiter is evicted before its turn',
    changes: [
      { file: hub, from: '      part.page = page\n', to: '' },
      {
        file: hub,
        from: 'if (kept && (waiters.length > 1 || this.#state.cache.askedBefore(this.channel, place))) this',
        to: 'if (kept) this',
      },
    ],
  },
  {
    trap: 'a step of several channels goes on while one is still being read',
    changes: [
      {
        file: receiver,
        from: 'if (waiting) return this.#askPages()',
        to: 'if (waiting) this.#askPages()\n    if (waiting && next === undefined) return',
      },
    ],
  },
  {
    trap: 'a gap is told after runs of the same step',
    changes: [
      {
        file: receiver,
        from: "if (found === 'gap') return this.#tellGap(part)",
        to: "if (found === 'gap') {\n        gapped = part\n        continue\n      }",
      },
      {
        file: receiver,
        from: 'let waiting = false\n    for (const part of this.#parts) {\n      if (part.place < this.#place)',
        to: 'let waiting = false\n    let gapped: ChannelPart | undefined\n    for (const part of this.#parts) {\n      if (part.place < this.#place)',
      },
      {
        file: receiver,
        from: 'if (next === undefined) return this.#atHead()',
        to: 'if (next === undefined) return gapped === undefined ? this.#atHead() : this.#tellGap(gapped)',
      },
    ],
  },
  {
    trap: "a gap stands in the middle of a poll's answer",
    changes: [
      {
        file: receiver,
        from: "if (this.#written > 0 && this.#reach !== 'endless') return this.#finish(true)\n    if (decision",
        to: 'if (decision',
      },
    ],
  },
  {
    trap: 'a held answer ends before its facts are there',
    changes: [
      {
        file: receiver,
        from: "this.#reach = 'head'\n    if (this.#now !== 'idle') return\n",
        to: "this.#reach = 'head'\n    if (!this.#begun) return this.#finish(false)\n    if (this.#now !== 'idle') return\n",
      },
    ],
  },
  {
    trap: "a heartbeat carries the node's place instead of the receiver's",
    changes: [
      {
        file: receiver,
        from: '    else return\n    this.sink.mark(this.place)',
        to: '    if (!this.#begun || this.#closed()) return\n    this.sink.mark(this.#state.place)',
      },
    ],
  },
  {
    trap: 'a heartbeat of a chunk that is not swept',
    changes: [{ file: receiver, from: 'else if (this.#chunk?.isAtHead === true)', to: 'else if (this.#chunk !== undefined)' }],
  },
  {
    trap: 'one is parked at the place that was about to be reached',
    changes: [{ file: chunk, from: 'member.parkedAt(this.place, this.lastOffset)', to: 'member.parkedAt(place, this.lastOffset)' }],
  },
  {
    trap: 'one is parked twice, by a read and by a drain',
    changes: [
      {
        file: receiver,
        from: "if (this.#now !== 'waiting') return\n    this.#now = 'behind'",
        to: "if (this.#closed() || this.#now === 'opening') return\n    this.#now = 'behind'",
      },
      {
        file: receiver,
        from: 'for (const part of this.#parts) part.page = undefined\n',
        to: 'for (const part of this.#parts) part.askPage()\n',
      },
    ],
  },
  {
    trap: 'the state is kept over a drain, so that it never parks again',
    changes: [
      {
        file: receiver,
        from: '    this.sink.park()',
        to: '    if (this.chunkSlot === -7) return\n    this.chunkSlot = -7\n    this.sink.park()',
      },
    ],
  },
  {
    trap: 'a sweep forwards moves the last member into a hole that it has passed',
    changes: [
      {
        file: chunk,
        from: '    this.#members[slot] = undefined\n    this.#outlets[slot] = undefined\n    if (member === undefined) return\n',
        to: '    const moved = this.#members.pop()\n    const outlet = this.#outlets.pop()\n    if (moved !== undefined && moved !== member) {\n      this.#members[slot] = moved\n      this.#outlets[slot] = outlet\n      moved.chunkSlot = slot\n    }\n    if (member === undefined) return\n',
      },
      { file: chunk, from: 'if (kept !== slot) this', to: 'if (kept < 0) this' },
      { file: chunk, from: '    this.#members.length = kept\n    outlets.length = kept\n', to: '' },
    ],
  },
  {
    trap: 'one that leaves a chunk takes the outlet of another with it',
    changes: [{ file: chunk, from: '        this.#outlets[member.chunkSlot] = outlet\n', to: '' }],
  },
  {
    trap: 'a sweep that closes up behind one that left does not move the outlets with their members',
    changes: [
      {
        file: chunk,
        from: '    this.#outlets[to] = this.#outlets[from]\n    this.#members[from] = undefined\n    this.#outlets[from] = undefined\n',
        to: '    this.#members[from] = undefined\n',
      },
    ],
  },
  {
    trap: 'a sink closes another receiver from inside a write, and the sweep does not expect it',
    changes: [
      { file: chunk, from: '    if (this.#sweeping) {', to: '    if (this.#holes < 0) {' },
      {
        file: simLink,
        from: '    const text = decoder.decode(bytes)\n',
        to: '    const text = decoder.decode(bytes)\n    const other = SimSink.all.find((sink) => sink !== this && !sink.done && !sink.link.ended && sink.#closable)\n    if (run.place % 50 === 0) other?.link.cut()\n',
      },
      {
        file: simLink,
        from: '    link.sinks.push(this)\n',
        to: '    link.sinks.push(this)\n    SimSink.all.push(this)\n    if (SimSink.all.length > 12) SimSink.all.shift()\n',
      },
      {
        file: simLink,
        from: '  readonly #collects: boolean\n',
        to: '  readonly #collects: boolean\n  static readonly all: SimSink[] = []\n  get #closable(): boolean {\n    return !this.#collects\n  }\n',
      },
    ],
  },
  {
    trap: 'a newcomer is put into a chunk that has not been swept',
    changes: [{ file: chunk, from: 'return this.place >= this.#hub.head && this.#members.length <', to: 'return this.#members.length <' }],
  },
  {
    trap: 'a sweep passes over a deletion (its neighbour, the deletion that empties the pages, is off)',
    changes: [
      { file: chunk, from: 'hub.deletedAt > this.place ? undefined : hub', to: 'hub' },
      { file: hub, from: '  remove(seq: number): void {\n    this.#dropPages()\n', to: '  remove(seq: number): void {\n' },
      {
        file: hub,
        from: '      this.deletedOffset = this.lastOffset\n    }\n    this.#open = this.#newOpenPage()\n',
        to: '      this.deletedOffset = this.lastOffset\n    }\n',
      },
    ],
  },
  {
    trap: '`earliest` is told a gap for what was lost before it began',
    changes: [
      {
        file: part,
        from: 'return this.#silent ? undefined : decideGap(',
        to: 'return this.#silent && this.place < 0 ? undefined : decideGap(',
      },
    ],
  },
  {
    trap: '`earliest` is silenced for ever after',
    changes: [
      {
        file: part,
        from: "      if (hub.deletedAt > this.place) return 'gap'\n",
        to: "      if (this.#silent) this.place = Math.max(this.place, Math.min(oldestPlace(hub), hub.head))\n      if (this.place >= hub.head) break\n      if (hub.deletedAt > this.place) return 'gap'\n",
      },
    ],
  },
  {
    trap: 'a hub that lost its last receiver leaves its pages in memory',
    changes: [{ file: hub, from: '    this.#dropPages()\n    this.#state.hubs.delete', to: '    this.#state.hubs.delete' }],
  },
  {
    trap: 'a page in hand goes on to look endless after its hub let it go',
    changes: [{ file: hub, from: '      page.through = this.head\n', to: '' }],
  },
  {
    trap: 'an offset from before a channel was forgotten is compared',
    changes: [
      { file: receiver, from: 'const missed = countsAnew ? null : ', to: 'const missed = countsAnew && decision.at < 0 ? null : ' },
    ],
  },
  {
    trap: "a cursor of another store, or of a lost end, passes for one's own",
    changes: [
      {
        file: opening,
        from: 'judged(since.cursor, await check(since.cursor))',
        to: "judged(since.cursor, (await check(since.cursor)) && { kind: 'same' })",
      },
      { file: opening, from: 'judged(cursor, verdict)', to: "judged(cursor, verdict && { kind: 'same' })" },
    ],
  },
  {
    trap: 'a lost notification is never looked for',
    changes: [{ file: feed, from: 'if (this.place < this.#headBefore && !this.#asking) void this.#catchUp()\n', to: '' }],
  },
  {
    trap: 'a notification that was lost in between is not missed',
    changes: [{ file: feed, from: 'if (commit.from > this.place) {', to: 'if (commit.from < 0) {' }],
  },
  {
    trap: 'what is told late, with holes where it is no longer kept, is taken for all there was',
    changes: [{ file: feed, from: 'jump?.head === undefined || jump.reached < jump.until', to: 'jump?.head === undefined' }],
  },
  {
    trap: 'a jump of the feed leaves the pages in memory as if nothing lay between',
    changes: [
      {
        file: hub,
        from: '  jump(place: number): void {\n    this.#dropPages()\n    this.head = place\n',
        to: '  jump(place: number): void {\n    this.head = place\n    if (place > 0) return\n',
      },
    ],
  },
  {
    trap: 'a notification that comes twice is taken twice (its neighbour, the filter for what is new in it, is off)',
    changes: [
      { file: feed, from: 'if (commit.through <= this.place) return\n', to: '' },
      { file: feed, from: 'commit.from === seen ? commit : after(commit, seen)', to: 'seen < 0 ? after(commit, seen) : commit' },
    ],
  },
  {
    trap: 'a run goes past the next entry of another channel',
    changes: [{ file: receiver, from: '(publications[to]?.seq ?? 0) < second &&', to: '(publications[to]?.seq ?? 0) < second + 2 &&' }],
  },
  {
    trap: 'the token of an old place bears the mark of the newest start',
    changes: [{ file: tokens, from: 'start.first <= place', to: 'start.first <= place + 40' }],
  },
  {
    trap: 'an open page gives its bytes from before it grew',
    changes: [{ file: page, from: 'if (encoded.count < this.publications.length) this', to: 'if (encoded.count === 0) this' }],
  },
  {
    trap: 'a receiver is parked, and the run is written all the same',
    changes: [{ file: receiver, from: 'if (this.sink.full) return this.#park()\n', to: 'if (this.sink.full) this.#park()\n' }],
  },
  {
    trap: 'a receiver that lags is served from a page that begins after its place',
    changes: [{ file: page, from: 'return this.from <= place && place < this.through', to: 'return place < this.through' }],
  },
]
