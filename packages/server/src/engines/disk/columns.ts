const chunkRows = 65_536

type Chunk = Float64Array | Uint16Array

/** A column of numbers that grows in parts, so that growth never copies; what was never written costs no memory. */
export class Column<T extends Chunk = Float64Array> {
  readonly #chunks: T[] = []
  readonly #make: (rows: number) => T

  constructor(make: (rows: number) => T) {
    this.#make = make
  }

  get(row: number): number {
    const chunk = this.#chunks[row >>> 16]
    return chunk === undefined ? 0 : chunk[row & 0xffff]!
  }

  set(row: number, value: number): void {
    let chunk = this.#chunks[row >>> 16]
    while (chunk === undefined) {
      this.#chunks.push(this.#make(chunkRows))
      chunk = this.#chunks[row >>> 16]
    }
    chunk[row & 0xffff] = value
  }

  /** What a worker sees of it; new parts have to be sent again. */
  get chunks(): readonly T[] {
    return this.#chunks
  }
}

export const numbers = (): Column => new Column((rows) => new Float64Array(rows))
/** Shared with the worker that seals. */
export const sharedNumbers = (): Column => new Column((rows) => new Float64Array(new SharedArrayBuffer(rows * 8)))
export const sharedSmall = (): Column<Uint16Array> => new Column((rows) => new Uint16Array(new SharedArrayBuffer(rows * 2)))
