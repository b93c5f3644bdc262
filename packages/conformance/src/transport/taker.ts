import type { Ask, GapNotice, ReceiverRow, Receiving, Told, ToldEnd, ToldPublication } from '../receivers/receiver.ts'

/** Takes what one connection tells, and keeps the place from which another goes on. */
export class Taker {
  readonly publications: ToldPublication[] = []
  readonly gaps: GapNotice[] = []
  /** Everything, in the order in which it was told. */
  readonly told: Told[] = []
  end: ToldEnd | undefined
  readonly #ask: Ask
  readonly #row: ReceiverRow
  readonly #receiving: Receiving
  #since: string | undefined
  readonly #sinceOf: Map<string, string>

  constructor(row: ReceiverRow, url: string, ask: Ask) {
    this.#row = row
    this.#ask = ask
    this.#since = ask.since
    this.#sinceOf = new Map(ask.sinceOf)
    this.#receiving = row.open(url, ask)
  }

  /** Where to go on after a cut. */
  get resume(): Ask {
    const { last: _, ...rest } = this.#ask
    return { ...rest, since: this.#since, ...(this.#sinceOf.size === 0 ? {} : { sinceOf: this.#sinceOf }) }
  }

  /** The cursor of its one channel. */
  get cursor(): string | undefined {
    return [...this.#sinceOf.values()][0] ?? this.#since
  }

  /** The numbers of `{"n":…}`, of one channel or of all. */
  numbers(channel?: string): readonly number[] {
    return numbersOf(channel === undefined ? this.publications : this.publications.filter((publication) => publication.channel === channel))
  }

  lastNumber(): number | undefined {
    const last = this.publications.at(-1)
    return last === undefined ? undefined : numbersOf([last])[0]
  }

  /** Takes until it is so, or until the end. */
  async until(isSo: () => boolean): Promise<this> {
    while (this.end === undefined && !isSo()) this.#take(await this.#receiving.next())
    return this
  }

  async publicationCount(count: number): Promise<this> {
    return this.until(() => this.publications.length >= count)
  }

  /** Has its place: what comes afterwards, it gets. */
  async opened(): Promise<this> {
    const places = this.#row.movesByChannel ? this.#ask.channels.length : 1
    return this.until(() => this.told.filter(({ kind }) => kind === 'cursor').length >= places)
  }

  async ended(): Promise<ToldEnd> {
    await this.until(() => false)
    return this.end ?? { kind: 'end', code: 0, reason: '' }
  }

  cut(): void {
    this.#receiving.cut()
  }

  /** What it has come to, for people. */
  summary(): string {
    const { end, gaps, publications } = this
    const told = `${publications.length} publications${gaps.length === 0 ? '' : ` and ${gaps.length} gaps`}`
    return `${this.#row.name} was told ${told}${end === undefined ? '' : `, and ended with ${end.code}: ${end.reason.slice(0, 300)}`}`
  }

  #take(told: Told): void {
    this.told.push(told)
    if (told.kind === 'gap') this.gaps.push(told.gap)
    else if (told.kind === 'end') this.end = told
    else {
      if (told.kind === 'publication') this.publications.push(told)
      if (told.cursor === undefined) return
      if (!this.#row.movesByChannel) this.#since = told.cursor
      else if (told.channel !== undefined) this.#sinceOf.set(told.channel, told.cursor)
    }
  }
}

/** Receives until it is so over as many connections as it takes, each going on where the one before was cut. */
export async function takeThrough(
  row: ReceiverRow,
  url: string,
  ask: Ask,
  isSo: (taken: readonly ToldPublication[]) => boolean,
): Promise<Through> {
  const publications: ToldPublication[] = []
  const gaps: GapNotice[] = []
  let connections = 0
  for (let next = ask; ; connections++) {
    const taker = new Taker(row, url, next)
    await taker.until(() => isSo([...publications, ...taker.publications]))
    publications.push(...taker.publications)
    gaps.push(...taker.gaps)
    taker.cut()
    if (isSo(publications)) return { publications, gaps, connections: connections + 1 }
    if (taker.end !== undefined && taker.end.code !== 0 && taker.end.code !== 200 && taker.end.code !== 1006)
      throw new Error(`ended with ${taker.end.code}: ${taker.end.reason}`)
    if (connections > 2000) throw new Error(`no end after ${connections} connections; the last: ${taker.end?.reason}`)
    next = taker.resume
  }
}

export interface Through {
  readonly publications: readonly ToldPublication[]
  readonly gaps: readonly GapNotice[]
  readonly connections: number
}

export function numbersOf(publications: readonly ToldPublication[]): readonly number[] {
  return publications.map(({ data }) => (JSON.parse(new TextDecoder().decode(data)) as { n: number }).n)
}

export function countTo(last: number, from = 1): readonly number[] {
  return Array.from({ length: Math.max(0, last - from + 1) }, (_, index) => from + index)
}
