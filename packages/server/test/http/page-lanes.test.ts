import {
  ByteWriter,
  encodeUtf8,
  limits,
  writeCursorPart,
  writeEnvelopePart,
  writeErrorPart,
  writeGapPart,
  writeMultipartBegin,
} from '@fanfare/wire'
import type { Publication } from '@fanfare/wire'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

// What the page at / does with what it receives: modules for browsers that need no document, seen from Node.

interface Message {
  readonly channel: string
  readonly offset: number
  readonly cursor: string
  readonly time: number
  readonly data: unknown
  readonly event?: string
}

interface Call {
  address(parameters: object): string
  alive(): void
  late(): void
  place(cursor: string): void
  publication(message: Message): void
  gap(gap: { readonly reason: string; readonly missed: number | null }): void
  lost(why: string): void
  ended(error: { readonly message: string; readonly after?: number }): void
}

interface LaneModule {
  readonly Lane: new (
    transport: object,
    page: object,
    view: object,
  ) => {
    start(): Promise<void>
    stop(): void
    doubt(): void
    learn(event: string, offset?: number): void
  }
}
type Reader = (onMessage: (message: unknown) => void) => (bytes: Uint8Array) => void

async function moduleOf<T>(name: string): Promise<T> {
  return (await import(new URL(`../../page/${name}.js`, import.meta.url).href)) as T
}

const { lineReader, partReader } = await moduleOf<{ readonly lineReader: Reader; readonly partReader: Reader }>('messages')
interface PollModule {
  readonly open: (call: Pick<Call, 'address' | 'late' | 'place' | 'ended'>) => { close(): void }
}
const polls = await moduleOf<Readonly<Record<'poll' | 'longPoll', PollModule>>>('polls')
const { Lane } = await moduleOf<LaneModule>('lane')

function messagesOf(reader: Reader, bytes: Uint8Array, cut: number): readonly unknown[] {
  const messages: unknown[] = []
  const read = reader((message) => messages.push(message))
  read(bytes.subarray(0, cut))
  read(bytes.subarray(cut))
  return messages
}

describe('the readers of the page', () => {
  it('read NDJSON wherever it is cut', () => {
    const messages = [{ cursor: 'c0' }, { offset: 1, data: 'grüße \u{1f600}\r\n' }, { gap: { reason: 'trimmed' } }]
    const bytes = encodeUtf8(messages.map((message) => `${JSON.stringify(message)}\n`).join(''))
    for (let cut = 0; cut <= bytes.length; cut++) expect(messagesOf(lineReader, bytes, cut)).toEqual(messages)
  })

  it('read multipart as the server writes it wherever it is cut, a body with the delimiter too', () => {
    const publication = (offset: number, text: string): Publication => ({
      channel: 'news',
      offset,
      seq: offset,
      time: 1,
      data: encodeUtf8(text),
      format: 'text',
      type: 'text/plain',
      event: 'größe',
    })
    const out = new ByteWriter(4096)
    const gap = { channel: 'news', reason: 'trimmed', missed: 3, at: 'c0' } as const
    writeMultipartBegin(out)
    writeGapPart(out, gap, false)
    writeCursorPart(out, 'c0')
    writeEnvelopePart(out, publication(1, 'grüße\r\n\r\n--\r\n'), '"news"', 'c1')
    writeEnvelopePart(out, publication(2, 'x --fanfare-part-5Yw0bXq8 ü'), '"news"', 'c2')
    writeErrorPart(out, 'draining', '{"error":{"code":"draining","after":5}}')
    const bytes = out.slice()
    const expected = [
      { gap },
      { cursor: 'c0' },
      { channel: 'news', offset: 1, cursor: 'c1', time: 1, data: 'grüße\r\n\r\n--\r\n', event: 'größe', type: 'text/plain' },
      { channel: 'news', offset: 2, cursor: 'c2', time: 1, data: 'x --fanfare-part-5Yw0bXq8 ü', event: 'größe', type: 'text/plain' },
      { error: { code: 'draining', after: 5 } },
    ]
    for (let cut = 0; cut <= bytes.length; cut++) expect(messagesOf(partReader, bytes, cut)).toEqual(expected)
  })
})

/** A lane over a transport that the test plays, and what is seen of it. */
function openLane(traits: object = {}) {
  const seen: string[] = []
  const calls: Call[] = []
  const page = {
    head: 0,
    heartbeatMs: limits.heartbeatMs,
    doubts: 0,
    backs: 0,
    address: (_transport: string, cursor: string | undefined) => cursor ?? 'the newest',
    delayOf: () => ({ ms: 1, exact: true }),
    seen: ({ offset }: Message) => (page.head = Math.max(page.head, offset)),
    doubt: () => page.doubts++,
    back: () => page.backs++,
  }
  const view = {
    onToggle: () => undefined,
    state: (state: string) => seen.push(state),
    note: (kind: string, text: string) => seen.push(`${kind}: ${text}`),
    publication: ({ offset }: Message, { kept }: { readonly kept: boolean }) => seen.push(kept ? `kept ${offset}` : `${offset}`),
    place: () => undefined,
    count: () => undefined,
  }
  let closed = 0
  const open = (call: Call): object => {
    calls.push(call)
    return { close: () => closed++, learn: (event: string) => event === 'new' }
  }
  const lane = new Lane({ name: 'stream', held: false, open, ...traits }, page, view)
  const current = (): Call => {
    const call = calls.at(-1)
    if (call === undefined) throw new Error('nothing was opened')
    return call
  }
  const publish = (...offsets: readonly number[]): void => {
    for (const offset of offsets) current().publication({ channel: 'demo', offset, cursor: `c${offset}`, time: 1, data: offset })
  }
  return { lane, page, seen, calls, current, publish, closed: () => closed }
}

describe('the polls of the page', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => {
    vi.useRealTimers()
    vi.unstubAllGlobals()
  })

  it.each([
    ['poll', ['late', 'c0', 'late']],
    // Only its first request isn't held.
    ['longPoll', ['late', 'c0']],
  ] as const)('%s tells late answers', async (name, expected) => {
    const answers: (() => void)[] = []
    vi.stubGlobal(
      'fetch',
      () => new Promise((resolve) => answers.push(() => resolve(Response.json({ cursor: 'c0', publications: [], gaps: [] })))),
    )
    const told: string[] = []
    const handle = polls[name].open({
      address: () => 'http://x/',
      late: () => told.push('late'),
      place: (cursor) => told.push(cursor),
      ended: () => undefined,
    })
    await vi.advanceTimersByTimeAsync(5000)
    answers[0]?.()
    await vi.advanceTimersByTimeAsync(10_000)
    expect(answers.length).toBe(2)
    expect(told).toEqual(expected)
    handle.close()
  })
})

describe('a lane of the page', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  it('shows what comes in order, and what it has already only once', async () => {
    const { lane, seen, publish, current, page } = openLane()
    page.head = 1
    await lane.start()
    current().place('c0')
    publish(1, 2, 2, 1, 3)
    expect(seen).toEqual(['connecting', 'live', 'kept 1', '2', '3'])
  })

  it('opens itself again from its cursor when its connection ends, and says that nothing was missed', async () => {
    const { lane, seen, publish, current, calls, closed, page } = openLane()
    await lane.start()
    publish(1)
    current().ended({ message: 'cut' })
    expect([calls.length, closed(), page.doubts]).toEqual([1, 1, 1])
    vi.advanceTimersByTime(500)
    expect([calls.length, current().address({}), page.backs]).toEqual([2, 'c1', 0])
    current().place('c1')
    expect(page.backs).toBe(1)
    publish(2)
    expect(seen).toEqual(['connecting', 'live', '1', 'reconnecting', 'live', 'resumed: resumed, nothing missed', '2'])
  })

  it('waits longer each time, but as long as the server says', async () => {
    const { lane, current, calls } = openLane()
    await lane.start()
    for (const ms of [500, 1000, 2000, 4000, 4000]) {
      const before = calls.length
      current().ended({ message: 'cut' })
      vi.advanceTimersByTime(ms / 2 - 1)
      expect(calls.length).toBe(before)
      vi.advanceTimersByTime(ms / 2 + 1)
      expect(calls.length).toBe(before + 1)
    }
    current().ended({ message: 'draining', after: 9000 })
    vi.advanceTimersByTime(8999)
    expect(calls.length).toBe(6)
    vi.advanceTimersByTime(1)
    expect(calls.length).toBe(7)
  })

  it('catches up after a stop with what others have seen meanwhile', async () => {
    const { lane, seen, publish, current, page } = openLane()
    await lane.start()
    publish(1)
    lane.stop()
    page.head = 3
    await lane.start()
    current().place('c1')
    publish(2, 3, 4)
    expect(seen.slice(4)).toEqual(['connecting', 'live', 'kept 2', 'kept 3', 'resumed: caught up with 2, nothing missed', '4'])
  })

  it('tells a gap, and no hole besides', async () => {
    const { lane, seen, publish, current } = openLane()
    await lane.start()
    publish(1)
    current().ended({ message: 'cut' })
    vi.advanceTimersByTime(500)
    current().gap({ reason: 'trimmed', missed: null })
    current().place('c7')
    publish(8)
    expect(seen.slice(4)).toEqual(['gap: gap: trimmed, number unknown', 'live', 'resumed: resumed after the gap', '8'])
  })

  it('tells a gap in which nothing was missed without alarm', async () => {
    const { lane, seen, publish, current } = openLane()
    await lane.start()
    publish(1)
    current().gap({ reason: 'deleted', missed: 0 })
    publish(2)
    current().gap({ reason: 'trimmed', missed: 3 })
    expect(seen.slice(3)).toEqual(['told: gap: deleted, nothing missed', '2', 'gap: gap: trimmed, 3 missed'])
  })

  it('goes on in another history, whose offsets begin anew', async () => {
    const { lane, seen, publish, current, page } = openLane()
    page.head = 1
    await lane.start()
    publish(1, 2)
    current().ended({ message: 'cut' })
    vi.advanceTimersByTime(500)
    current().gap({ reason: 'new-log', missed: null })
    current().place('d0')
    publish(1)
    expect(seen.slice(5)).toEqual(['gap: gap: new-log, number unknown', 'live', 'resumed: resumed after the gap', '1'])
    expect(page.head).toBe(1)
  })

  it('tells a hole in the offsets, which there must not be', async () => {
    const { lane, seen, publish } = openLane()
    await lane.start()
    publish(1, 4)
    expect(seen).toEqual(['connecting', 'live', '1', 'gap: 2 missing', '4'])
  })

  it('hears nothing of a connection that it has closed', async () => {
    const { lane, seen, calls, publish } = openLane()
    await lane.start()
    publish(1)
    lane.stop()
    const told = [...seen]
    calls[0]?.publication({ channel: 'demo', offset: 2, cursor: 'c2', time: 1, data: 2 })
    calls[0]?.ended({ message: 'late' })
    vi.advanceTimersByTime(60_000)
    expect([seen, calls.length]).toEqual([told, 1])
  })

  it('says that it waits where an answer is late, and is live when it came', async () => {
    const { lane, seen, publish, current } = openLane()
    await lane.start()
    publish(1)
    current().late()
    current().place('c1')
    expect(seen).toEqual(['connecting', 'live', '1', 'waiting', 'live'])
  })

  it('that is told of a new event asks again where it may have missed one', async () => {
    const { lane, calls, publish } = openLane()
    await lane.start()
    publish(1)
    lane.learn('known', 2)
    lane.learn('new', 1)
    lane.learn('new')
    expect(calls.length).toBe(1)
    lane.learn('new', 2)
    expect([calls.length, calls[1]?.address({})]).toEqual([2, 'c1'])
  })

  it('that is blind asks again when another has lost its connection, and others do not', async () => {
    for (const blind of [true, false]) {
      const { lane, calls, publish } = openLane({ blind })
      await lane.start()
      publish(1)
      lane.doubt()
      expect(calls.length).toBe(blind ? 2 : 1)
    }
  })

  it('gives a connection up whose heartbeats don’t come', async () => {
    const { lane, current, calls } = openLane({ beats: true })
    await lane.start()
    current().place('c0')
    vi.advanceTimersByTime(limits.heartbeatMs)
    current().alive()
    vi.advanceTimersByTime(2 * limits.heartbeatMs - 1)
    expect(calls.length).toBe(1)
    vi.advanceTimersByTime(1 + 500)
    expect(calls.length).toBe(2)
  })
})
