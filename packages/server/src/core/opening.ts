import { FanfareError } from '@fanfare/wire'
import type { Cursor } from '@fanfare/wire'
import type { Engine, Verdict } from '../engines/engine.ts'
import type { Void } from './gaps.ts'
import type { ReceiveRequest, Since } from './receive.ts'

/** Where a channel of a receiver begins, before its facts are known. */
export interface Beginning {
  /** The receiver has everything up to here, or wants nothing of it. */
  readonly place: number
  /** Between `place` and here the channel is known to have nothing: no read is needed for it. */
  readonly empty: number
  /** No gap is told for what was lost before it began. */
  readonly silent: boolean
  readonly broken: Void | undefined
}

/** Turns each `since` into a place. At once where nothing has to be asked: a stream from now on. With one question where it is one channel's cursor. */
export function findBeginnings(
  engine: Engine,
  request: ReceiveRequest,
  feed: number,
): readonly Beginning[] | Promise<readonly Beginning[]> {
  const { channels, since, reach } = request
  if (reach === 'endless' && isLatest(since) && channels.every((channel) => channel.since === undefined || isLatest(channel.since))) {
    return channels.map(() => latestPlace(feed, feed))
  }
  if (since.at === 'cursor' && channels.length === 1 && channels[0]?.since === undefined) return askBeginning(engine, since.cursor)
  return askBeginnings(engine, request, feed)
}

/** What a held answer asks each time it comes again. */
async function askBeginning(engine: Engine, cursor: Cursor): Promise<readonly Beginning[]> {
  const verdict = await engine.check(cursor)
  return [judged(cursor, verdict)]
}

async function askBeginnings(engine: Engine, request: ReceiveRequest, feed: number): Promise<readonly Beginning[]> {
  const verdicts = new Map<string, Promise<Verdict>>()
  const check = (cursor: Cursor): Promise<Verdict> => {
    const key = `${cursor.mark} ${cursor.seq}`
    const known = verdicts.get(key) ?? engine.check(cursor)
    verdicts.set(key, known)
    return known
  }
  const resolve = async (channel: string, since: Since): Promise<Beginning> => {
    if (since.at === 'cursor') return judged(since.cursor, await check(since.cursor))
    if (since.at === 'earliest') return { place: 0, empty: 0, silent: true, broken: undefined }
    if (since.at === 'last' && since.count > 0) {
      const place = Math.min(feed, await engine.newest(channel, since.count, feed))
      return { place, empty: place, silent: true, broken: undefined }
    }
    return request.reach === 'endless' ? latestPlace(feed, feed) : latestPlace(Math.min(feed, await engine.newest(channel, 0, feed)), feed)
  }
  const found = await Promise.all(
    request.channels.map(async ({ channel, since }) => {
      const common = await resolve(channel, request.since)
      return since === undefined ? common : later(await resolve(channel, since), common)
    }),
  )
  return request.reach === 'endless' ? found : levelLatest(found, request, feed)
}

/** Without a cursor an answer's place is the newest of all its channels, so that it stays the same while only others are busy. */
function levelLatest(found: readonly Beginning[], request: ReceiveRequest, feed: number): readonly Beginning[] {
  if (!isLatest(request.since)) return found
  const newest = Math.max(...found.map(({ place }) => place))
  return found.map((beginning) => (beginning.silent && beginning.empty === feed ? { ...beginning, place: newest } : beginning))
}

function judged(cursor: Cursor, verdict: Verdict): Beginning {
  switch (verdict.kind) {
    case 'same':
      return { place: cursor.seq, empty: cursor.seq, silent: false, broken: undefined }
    case 'new-log':
      return { place: 0, empty: 0, silent: false, broken: { reason: 'new-log' } }
    case 'diverged': {
      const place = verdict.common ?? 0
      return { place, empty: place, silent: false, broken: { reason: 'diverged', common: verdict.common } }
    }
    default:
      throw new FanfareError('internal', `the engine knows a verdict that core does not: ${JSON.stringify(verdict satisfies never)}`)
  }
}

/** A channel begins at the later of its own place and the common one; of two at one place the one that was a cursor. */
function later(own: Beginning, common: Beginning): Beginning {
  if (own.place !== common.place) return own.place > common.place ? own : common
  return own.silent ? common : own
}

function latestPlace(place: number, feed: number): Beginning {
  return { place, empty: feed, silent: true, broken: undefined }
}

function isLatest(since: Since): boolean {
  return since.at === 'latest' || (since.at === 'last' && since.count <= 0)
}
