import type { Placed } from '@fanfare/server'

/** What a store must hold, said in the plainest way: the whole history, and rules applied to it by counting. */
export class StoreModel {
  readonly #keep: number
  readonly #channels = new Map<string, ChannelModel>()
  seq = 0

  constructor(keep: number) {
    this.#keep = keep
  }

  get names(): readonly string[] {
    return [...this.#channels.keys()].sort()
  }

  channel(name: string): ChannelModel {
    return this.#channels.get(name) ?? { all: [], trimmed: 0, deletedAt: 0 }
  }

  publish(name: string, value: string): Pick<Placed, 'channel' | 'seq' | 'offset'> {
    const channel = this.#own(name)
    const entry = { seq: ++this.seq, offset: channel.all.length + 1, value }
    channel.all.push(entry)
    const kept = this.kept(name)
    if (kept.length > this.#keep) channel.trimmed = kept[kept.length - 1 - this.#keep]?.seq ?? 0
    return { channel: name, seq: entry.seq, offset: entry.offset }
  }

  remove(name: string): Pick<Placed, 'channel' | 'seq' | 'offset'> {
    this.#own(name).deletedAt = ++this.seq
    return { channel: name, seq: this.seq, offset: 0 }
  }

  kept(name: string): readonly EntryModel[] {
    const { all, trimmed, deletedAt } = this.channel(name)
    return all.filter(({ seq }) => seq > trimmed && seq > deletedAt)
  }

  #own(name: string): ChannelModel {
    const channel = this.channel(name)
    this.#channels.set(name, channel)
    return channel
  }
}

export interface ChannelModel {
  readonly all: EntryModel[]
  /** Place of the newest that the rule let go of. */
  trimmed: number
  deletedAt: number
}

export interface EntryModel {
  readonly seq: number
  readonly offset: number
  readonly value: string
}
