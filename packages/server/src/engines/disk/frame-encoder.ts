import type { Item, Once, Placed } from '../engine.ts'
import { asRepeat, type StoreRequest } from './append-plan.ts'
import type { ChannelTable } from './channel-table.ts'
import type { Frame } from './frame.ts'
import type { KeyedState } from './keyed-state.ts'

export interface FrameEncoderOptions {
  readonly table: ChannelTable
  readonly state: KeyedState
  /** Of the running start: its mark and its number in the table of starts. */
  readonly mark: string
  readonly start: number
  readonly head: number
  readonly lastTime: number
  /** Time that is never less than what was given out before. */
  readonly now: () => number
  readonly forgottenThrough: () => number
}

/** Gives places, one after the other, and writes what got them into a frame that has room for it. */
export class FrameEncoder {
  readonly #options: FrameEncoderOptions
  #seq: number
  #time: number

  constructor(options: FrameEncoderOptions) {
    this.#options = options
    this.#seq = options.head
    this.#time = options.lastTime
  }

  /** Highest place that was given to an entry, committed or not. */
  get seq(): number {
    return this.#seq
  }

  /** Time of the newest entry. */
  get time(): number {
    return this.#time
  }

  /** `repeated`: the earlier answer of an item, or undefined for one that is new. */
  encode(frame: Frame, request: StoreRequest, repeated: readonly (Placed | undefined)[]): readonly Placed[] {
    const time = Math.max(this.#time, this.#options.now())
    this.#time = time
    frame.time = time
    const own = new Map<string, Placed>()
    const placed: Placed[] = []
    for (const [index, item] of request.items.entries()) {
      const once = item.kind === 'publication' ? item.once : undefined
      const before = repeated[index] ?? (once === undefined ? undefined : own.get(once.key))
      if (before !== undefined) {
        placed.push(asRepeat(before))
        continue
      }
      const entry = this.#encodeItem(frame, item, time)
      placed.push(entry)
      if (once === undefined) continue
      own.set(once.key, entry)
      this.#encodeOnce(frame, once, [entry])
    }
    if (request.once !== undefined) this.#encodeOnce(frame, request.once, placed)
    for (const { key, value, expires } of request.state ?? []) {
      frame.writer.state(key, value, expires, this.#seq)
      this.#options.state.putValue(key, value, expires, frame.number)
    }
    for (const { id, through } of request.forget?.() ?? []) {
      frame.writer.forgotten(id, through)
      // Its name is free at once, for what comes next in the log; what is known of it stays until this is committed.
      this.#options.table.names.remove(id)
      frame.forgotten.push(id)
    }
    frame.lastSeq = this.#seq
    return placed
  }

  #encodeItem(frame: Frame, item: Item, time: number): Placed {
    const { table, mark } = this.#options
    const { writer } = frame
    const seq = ++this.#seq
    let channel = table.names.find(item.channel)
    if (channel < 0) {
      const forgotten = this.#options.forgottenThrough()
      channel = table.add(item.channel, seq, forgotten)
      writer.name(channel, item.channel, seq, time, forgotten)
    }
    const bytes = table.assignedBytes.get(channel)
    let offset = table.assignedOffset.get(channel)
    let position: number
    if (item.kind === 'publication') {
      offset++
      table.assignedOffset.set(channel, offset)
      table.assignedBytes.set(channel, bytes + item.message.data.length)
      position = writer.publication(channel, offset, seq, time, bytes, item.message)
    } else {
      position = writer.deletion(channel, offset, seq, time, bytes, {
        offset: table.trimmedOffset.get(channel),
        seq: table.trimmedSeq.get(channel),
      })
    }
    const placed = { channel: item.channel, offset: item.kind === 'publication' ? offset : 0, seq, time, mark, replayed: false }
    frame.items.push(item)
    frame.placed.push(placed)
    frame.channels.push(channel)
    frame.positions.push(position)
    frame.before.push(item.kind === 'publication' ? bytes : offset)
    return placed
  }

  #encodeOnce(frame: Frame, once: Once, placed: readonly Placed[]): void {
    const { table, state, start } = this.#options
    const rows = placed.map(({ channel, offset, seq, time }) => ({ channel: table.names.find(channel), start, offset, seq, time }))
    frame.writer.once(once.key, once.print, once.expires, this.#seq, rows)
    state.putOnce(once, placed, frame.number)
  }
}
