const chunkRows = 65_536
/** Every so many publications of a channel there is a station, and each record knows the station before it. */
const stationStep = 64

interface Chunk {
  readonly places: Uint32Array
  /** How many seqs before it its channel's publication before it stands; 0 for none in here. */
  readonly before: Uint32Array
  /** The same for the nearest station before it. */
  readonly station: Uint32Array
}

interface JournalSpan {
  readonly number: number
  readonly before: number
}

/** Where the entries of the journals stand, by seq: there are no holes, so seq is the index. 12 bytes an entry. */
export class UnsealedIndex {
  readonly #chunks = new Map<number, Chunk>()
  #journals: JournalSpan[] = []
  /** Seq before the first that is in here. */
  #sealed = 0

  /** Seqs above this one are in here. */
  get sealed(): number {
    return this.#sealed
  }

  /** Entries after `before` stand in this journal, until the next one begins. */
  begin(journal: number, before: number): void {
    if (this.#journals.length === 0) this.#sealed = before
    this.#journals.push({ number: journal, before })
  }

  /** `last` is the seq of the channel's publication before this one, 0 for none; `offset` is that of this one. */
  addPublication(seq: number, place: number, last: number, offset: number): void {
    const chunk = this.#chunkFor(seq)
    const row = seq % chunkRows
    chunk.places[row] = place
    if (last <= this.#sealed) return
    chunk.before[row] = seq - last
    const station =
      (offset - 1) % stationStep === 0 ? last : last - (this.#chunks.get(Math.floor(last / chunkRows))?.station[last % chunkRows] ?? 0)
    chunk.station[row] = station === last && (offset - 1) % stationStep !== 0 ? 0 : seq - station
  }

  addDeletion(seq: number, place: number): void {
    this.#chunkFor(seq).places[seq % chunkRows] = place
  }

  /** Drops the oldest journal; it is sealed. */
  dropOldest(): void {
    this.#journals = this.#journals.slice(1)
    this.#sealed = this.#journals[0]?.before ?? this.#sealed
    for (const number of this.#chunks.keys()) if ((number + 1) * chunkRows <= this.#sealed) this.#chunks.delete(number)
  }

  place(seq: number): number {
    return this.#chunks.get(Math.floor(seq / chunkRows))?.places[seq % chunkRows] ?? 0
  }

  /** The journal that holds a seq, and the last seq that is surely in it. */
  journalOf(seq: number): { readonly number: number; readonly before: number } {
    let found = this.#journals[0]!
    for (const journal of this.#journals) if (journal.before < seq) found = journal
    return found
  }

  get journals(): readonly JournalSpan[] {
    return this.#journals
  }

  /** Seq of the channel's publication `steps` before the one at `seq` (whose offset is given), 0 where it is not in here. */
  stepBack(seq: number, offset: number, steps: number): number {
    const wanted = offset - steps
    let at = seq
    let number = offset
    while (number > wanted && at > this.#sealed) {
      const toStation = number % stationStep === 0 ? stationStep : number % stationStep
      const link = number - toStation >= wanted ? this.#link(at, 'station') : 0
      const step = link === 0 ? this.#link(at, 'before') : link
      if (step === 0) return 0
      at -= step
      number -= link === 0 ? 1 : toStation
    }
    return at > this.#sealed ? at : 0
  }

  /** Seqs above `lower` of a channel whose newest publication is `seq`, ascending: the first `most` or a few more. */
  first(seq: number, lower: number, most: number): number[] {
    const floor = Math.max(lower, this.#sealed)
    const stations: number[] = []
    let at = seq
    while (at > floor) {
      stations.push(at)
      const link = this.#link(at, 'station')
      if (link === 0) break
      at -= link
    }
    const found: number[] = []
    let end = floor
    while (stations.length > 0 && found.length < most) {
      const from = stations.pop()!
      const run: number[] = []
      for (let place = from; place > end;) {
        run.push(place)
        const step = this.#link(place, 'before')
        if (step === 0) break
        place -= step
      }
      for (const place of run.reverse()) found.push(place)
      end = from
    }
    return found
  }

  #link(seq: number, kind: 'before' | 'station'): number {
    return this.#chunks.get(Math.floor(seq / chunkRows))?.[kind][seq % chunkRows] ?? 0
  }

  #chunkFor(seq: number): Chunk {
    const number = Math.floor(seq / chunkRows)
    let chunk = this.#chunks.get(number)
    if (chunk === undefined) {
      chunk = { places: new Uint32Array(chunkRows), before: new Uint32Array(chunkRows), station: new Uint32Array(chunkRows) }
      this.#chunks.set(number, chunk)
    }
    return chunk
  }
}
