import { limits, type Message, type Rule, type Runtime } from '@fanfare/wire'
import type { AppendRequest, Engine, Facts, Item } from '../../../src/engines/engine.ts'
import { type DiskOptions, openDiskEngine } from '../../../src/engines/disk/disk-engine.ts'
import { type Chance, chanceOf, SimulatedDisk } from './simulated-disk.ts'

/** A runtime whose clock stands still until it is moved, and whose chance is seeded. */
export interface TestRuntime extends Runtime {
  advance(ms: number): void
  jump(ms: number): void
}

export function testRuntime(seed: number): TestRuntime {
  const chance = chanceOf(seed)
  let wall = 1_700_000_000_000
  let measured = 0
  let timers: { readonly at: number; readonly call: () => void }[] = []
  return {
    now: () => wall,
    monotonic: () => measured,
    after(ms, call) {
      const timer = { at: measured + ms, call }
      timers.push(timer)
      return () => void (timers = timers.filter((other) => other !== timer))
    },
    soon: (call) => void setImmediate(call),
    random: (count) => Uint8Array.from({ length: count }, () => chance(256)),
    advance(ms) {
      wall += ms
      measured += ms
      const due = timers.filter(({ at }) => at <= measured)
      timers = timers.filter(({ at }) => at > measured)
      for (const { call } of due) call()
    },
    jump: (ms) => void (wall += ms),
  }
}

export const ruleOf = (match: string, keep: Partial<Rule['keep']>): Rule => ({
  match,
  keep: { publications: null, ageMs: null, bytes: null, ...keep },
  payloadBytes: 65_536,
  public: false,
})

export function openSimulated(
  files: SimulatedDisk,
  runtime: Runtime,
  rules: readonly Rule[],
  more: Partial<DiskOptions> & { readonly limits?: typeof limits } = {},
): Promise<Engine> {
  return openDiskEngine({
    runtime,
    limits,
    rules,
    directory: '/nowhere',
    files,
    journalBytes: 16_384,
    journalMostBytes: 65_536,
    mergeFromBytes: 16_384,
    ...more,
  })
}

const encoder = new TextEncoder()
export const textOf = (data: string): Message => ({ data: encoder.encode(data), format: 'text' })
export const publicationOf = (channel: string, data: string): Item => ({ kind: 'publication', channel, message: textOf(data) })

interface Kept {
  readonly offset: number
  readonly seq: number
  readonly time: number
  readonly data: string
}

/** What a store should hold, told in the simplest way. */
export class Model {
  readonly #rules: ReadonlyMap<string, Rule>
  readonly #channels = new Map<
    string,
    { kept: Kept[]; deletedAt: number; lastOffset: number; lastSeq: number; trimmed: { seq: number; offset: number } }
  >()
  seq = 0

  constructor(channels: ReadonlyMap<string, Rule>) {
    this.#rules = channels
  }

  append({ items }: AppendRequest, time: number): void {
    for (const item of items) {
      const channel = this.#channel(item.channel)
      this.seq++
      if (item.kind === 'delete') {
        channel.kept = []
        channel.deletedAt = this.seq
        continue
      }
      channel.lastOffset++
      channel.lastSeq = this.seq
      channel.kept.push({ offset: channel.lastOffset, seq: this.seq, time, data: new TextDecoder().decode(item.message.data) })
    }
  }

  facts(name: string, now: number): Facts {
    const channel = this.#channel(name)
    this.#trim(name, now)
    const { kept, deletedAt, lastOffset, lastSeq, trimmed } = channel
    return { trimmed: { ...trimmed }, deletedAt, lastSeq, lastOffset, count: kept.length, bytes: bytesOf(kept) }
  }

  read(name: string, after: number, through: number, now: number): readonly Kept[] {
    this.#trim(name, now)
    return this.#channel(name).kept.filter(({ seq }) => seq > after && seq <= through)
  }

  #trim(name: string, now: number): void {
    const channel = this.#channel(name)
    const { publications, bytes, ageMs } = this.#rules.get(name)!.keep
    const { kept } = channel
    for (;;) {
      const first = kept[0]
      if (first === undefined) return
      const over =
        (publications !== null && kept.length > publications) ||
        (bytes !== null && bytesOf(kept) > bytes) ||
        (ageMs !== null && first.time <= now - ageMs)
      if (!over) return
      channel.trimmed = { seq: first.seq, offset: first.offset }
      kept.shift()
    }
  }

  #channel(name: string) {
    let channel = this.#channels.get(name)
    if (channel === undefined) {
      channel = { kept: [], deletedAt: 0, lastOffset: 0, lastSeq: 0, trimmed: { seq: 0, offset: 0 } }
      this.#channels.set(name, channel)
    }
    return channel
  }
}

const bytesOf = (kept: readonly Kept[]): number => kept.reduce((sum, { data }) => sum + encoder.encode(data).length, 0)

/** Reads a channel to its end, page by page. */
export async function readChannel(engine: Engine, channel: string, after: number, through: number): Promise<Kept[]> {
  const found: Kept[] = []
  for (let place = after; place < through;) {
    const page = await engine.read(channel, place, through)
    for (const { offset, seq, time, data } of page.publications) found.push({ offset, seq, time, data: new TextDecoder().decode(data) })
    if (page.through <= place) throw new Error(`a page of ${channel} does not go on from ${place}`)
    place = page.through
  }
  return found
}

export { chanceOf, SimulatedDisk, type Chance }
