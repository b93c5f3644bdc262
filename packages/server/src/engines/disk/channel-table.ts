import { channelMatcher, type Rule } from '@fanfare/wire'
import { numbers, sharedNumbers, sharedSmall } from './columns.ts'
import { NameTable } from './name-table.ts'

/**
 * What is known of each channel, in columns by its number: about 120 bytes a channel, no object, no timer. "Assigned" runs ahead of what is
 * committed by the frames under way; readers see only what is committed.
 */
export class ChannelTable {
  readonly names: NameTable
  readonly rules: readonly Rule[]
  readonly assignedOffset = numbers()
  readonly assignedBytes = numbers()
  /** Offset, seq and time of the newest publication ever; time of the newest entry. */
  readonly lastOffset = sharedNumbers()
  readonly lastSeq = numbers()
  readonly lastTime = numbers()
  /** Payload bytes of all publications ever. */
  readonly totalBytes = sharedNumbers()
  readonly deletedAt = sharedNumbers()
  /** Newest offset when it was deleted. */
  readonly deletedOffset = numbers()
  /** The highest place that the rule left out, as far as it was looked for; see `retention.ts`. */
  readonly trimmedOffset = numbers()
  readonly trimmedSeq = numbers()
  /** Of the first publication that is kept: bytes of the channel before it, and its time; 0 where it has to be looked up. */
  readonly floorBytes = numbers()
  readonly floorTime = numbers()
  /** Entries before this seq belong to another channel that had the number before. */
  readonly since = sharedNumbers()
  /** Through which place channels had been forgotten when this one was made: it may have been one of them. */
  readonly forgotten = numbers()
  readonly rule = sharedSmall()
  readonly #matchers: readonly ((channel: string) => boolean)[]
  /** Kept of all channels. */
  publications = 0
  readonly #free: number[] = []
  #next = 1

  constructor(rules: readonly Rule[], seed: number) {
    this.rules = rules
    this.#matchers = rules.map(({ match }) => channelMatcher(match))
    this.names = new NameTable(seed)
  }

  /** A number for a new name; its life begins with `since`. */
  add(name: string, since: number, forgotten: number): number {
    const id = this.#free.pop() ?? this.#next++
    this.put(id, name, since, forgotten)
    return id
  }

  /** The name that a number has according to the files. */
  put(id: number, name: string, since: number, forgotten: number): void {
    if (id >= this.#next) this.#next = id + 1
    if (this.names.name(id) !== undefined) this.forget(id, false)
    this.names.add(id, name)
    this.since.set(id, since)
    if (forgotten > 0) this.forgotten.set(id, forgotten)
    const rule = this.#matchers.findIndex((matches) => matches(name))
    this.rule.set(id, rule < 0 ? this.rules.length - 1 : rule)
  }

  /** Publications of a channel that its rule keeps, as far as that is known without reading. */
  keptOf(id: number): number {
    const last = this.lastOffset.get(id)
    const most = this.ruleOf(id).keep.publications
    return last - Math.max(this.floorOffset(id), most === null ? 0 : last - most)
  }

  /** Is anything kept of the channel of this name, or on its way? */
  holds(name: string): boolean {
    const id = this.names.find(name)
    return id >= 0 && this.assignedOffset.get(id) > this.floorOffset(id)
  }

  /** All numbers are below this one. */
  get end(): number {
    return this.#next
  }

  /** After the files were read: numbers without a name can be given again. */
  finishLoading(): void {
    this.publications = 0
    for (let id = this.#next - 1; id >= 1; id--) {
      if (this.since.get(id) === 0) this.#free.push(id)
      else this.publications += this.keptOf(id)
    }
  }

  ruleOf(id: number): Rule {
    return this.rules[this.rule.get(id)]!
  }

  /** Newest offset that is gone, by the rule or a deletion. */
  floorOffset(id: number): number {
    return Math.max(this.trimmedOffset.get(id), this.deletedOffset.get(id))
  }

  /** A committed publication. */
  applyPublication(id: number, offset: number, seq: number, time: number, bytesBefore: number, bytes: number): void {
    const kept = this.keptOf(id)
    if (this.floorOffset(id) === offset - 1) {
      this.floorBytes.set(id, bytesBefore)
      this.floorTime.set(id, time)
    }
    this.lastOffset.set(id, offset)
    this.lastSeq.set(id, seq)
    this.lastTime.set(id, time)
    this.totalBytes.set(id, bytesBefore + bytes)
    this.publications += this.keptOf(id) - kept
  }

  /** A committed deletion; `trimmed` is what had been trimmed then. */
  applyDeletion(id: number, offset: number, seq: number, time: number, trimmed: { readonly offset: number; readonly seq: number }): void {
    this.publications -= this.keptOf(id)
    this.deletedAt.set(id, seq)
    this.deletedOffset.set(id, offset)
    this.lastTime.set(id, time)
    this.floorBytes.set(id, this.totalBytes.get(id))
    this.applyTrimmed(id, trimmed.offset, trimmed.seq)
  }

  applyTrimmed(id: number, offset: number, seq: number): void {
    if (offset <= this.trimmedOffset.get(id)) return
    const kept = this.keptOf(id)
    this.trimmedOffset.set(id, offset)
    this.trimmedSeq.set(id, seq)
    this.publications += this.keptOf(id) - kept
  }

  /** Forgets a channel; its number is free again, unless the caller gives it away itself. */
  forget(id: number, free = true): void {
    this.publications -= this.keptOf(id)
    this.names.remove(id)
    for (const column of [
      this.assignedOffset,
      this.assignedBytes,
      this.lastOffset,
      this.lastSeq,
      this.lastTime,
      this.totalBytes,
      this.deletedAt,
      this.deletedOffset,
      this.trimmedOffset,
      this.trimmedSeq,
      this.floorBytes,
      this.floorTime,
      this.since,
      this.forgotten,
    ]) {
      if (column.get(id) !== 0) column.set(id, 0)
    }
    if (free) this.#free.push(id)
  }
}
