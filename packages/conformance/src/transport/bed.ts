import { formatCursor, parseCursor } from '@fanfare/wire'
import type { Ask, ReceiverRow } from '../receivers/receiver.ts'
import { LeftOut } from './check.ts'
import type { Published, Publisher } from './publisher.ts'
import { Taker } from './taker.ts'

/** What checks stand on: a running server, and what they opened on it. */
export interface Bed {
  readonly url: string
  readonly publisher: Publisher
  /** The name of a channel that no other check uses. */
  channel(): string
  take(row: ReceiverRow, ask: Ask): Taker
  /** Publishes numbers and waits until the server tells them: `latest` means what its node has heard of, and a node may lag. */
  told(channelOf: (n: number) => string, from: number, through: number): Promise<readonly Published[]>
  /** A token of another store than this server's. */
  foreignToken(channel: string): Promise<string>
  /** A channel whose oldest publications are trimmed. Rejects with `LeftOut` where the server keeps too many for that. */
  trimmed(): Promise<Trimmed>
  /** Called when what was opened is to be closed. */
  onEnd(close: () => Promise<void> | void): void
}

/** Holds `{"n":1}` to `{"n":<last>}`, of which the last so many are kept. */
export interface Trimmed {
  readonly channel: string
  readonly last: number
  readonly kept: number
  /** A place from which the next is trimmed. */
  readonly early: string
  /** The place of the oldest that is kept. */
  readonly oldest: string
}

export interface BedParts {
  readonly url: string
  readonly publisher: Publisher
  /** Receives what was published, to know that the server tells it. */
  readonly witness: ReceiverRow
  channel(): string
  foreignToken?(channel: string): Promise<string>
  trimmed(bed: Bed): Promise<Trimmed>
  onEnd(close: () => Promise<void> | void): void
  onTake(taker: Taker): void
}

export function makeBed(parts: BedParts): Bed {
  const { url, publisher, witness } = parts
  const onEnd: Bed['onEnd'] = (close) => parts.onEnd(close)
  const take = (row: ReceiverRow, ask: Ask): Taker => {
    const taker = new Taker(row, url, ask)
    onEnd(() => taker.cut())
    parts.onTake(taker)
    return taker
  }
  const bed: Bed = {
    url,
    publisher,
    onEnd,
    take,
    channel: () => parts.channel(),
    foreignToken: (channel) => (parts.foreignToken === undefined ? forgedToken(bed) : parts.foreignToken(channel)),
    trimmed: () => parts.trimmed(bed),
    async told(channelOf, from, through) {
      const published = await publisher.count(channelOf, from, through)
      const seen = take(witness, { channels: [channelOf(through)], since: 'earliest' })
      await seen.until(() => seen.numbers().includes(through))
      seen.cut()
      return published
    },
  }
  return bed
}

/** A token as another store would give it: only the mark differs. */
async function forgedToken(bed: Bed): Promise<string> {
  const { cursor } = await bed.publisher.head(bed.channel())
  const { mark, seq } = placeOf(cursor)
  const store = mark.slice(0, 8) === 'ZZZZ0000' ? 'YYYY0000' : 'ZZZZ0000'
  return formatCursor({ mark: store + mark.slice(8), seq })
}

/** What a token says. */
export function placeOf(token: string): { readonly mark: string; readonly seq: number } {
  const place = parseCursor(token)
  if (place === undefined) throw new LeftOut(`its cursors have a form that this tool can't read: ${token}`)
  return place
}
