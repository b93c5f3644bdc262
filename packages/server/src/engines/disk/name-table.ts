import { Buffer } from 'node:buffer'

const chunkBytes = 1024 * 1024
const subTables = 64
const removed = 0xffff_ffff
const scratch = Buffer.alloc(1024)

/**
 * Names of channels, by number and back: bytes in an arena, and a seeded hash in 64 tables that grow one by one, so that no growth holds the loop up
 * for long. About 54 bytes for a name of 16 (a Map of strings takes 107).
 */
export class NameTable {
  readonly #seed: number
  readonly #tables: Uint32Array[] = []
  readonly #filled = new Uint32Array(subTables)
  readonly #chunks: Buffer[] = []
  #chunkAt = chunkBytes
  /** Place of a name in the arena + 1; 0 for a number without a name. */
  readonly #places: Uint32Array[] = []
  count = 0
  #wasted = 0

  constructor(seed: number) {
    this.#seed = seed
    for (let n = 0; n < subTables; n++) this.#tables.push(new Uint32Array(16))
  }

  /** Makes room for so many names at once, before the first one. */
  reserve(count: number): void {
    const slots = 2 ** Math.ceil(Math.log2(Math.max(16, (count / subTables) * 2)))
    for (let n = 0; n < subTables; n++) this.#tables[n] = new Uint32Array(slots)
  }

  /** The number of a name, -1 where it has none. */
  find(name: string): number {
    const length = scratch.write(name)
    const hash = this.#hash(scratch, 0, length)
    const table = this.#tables[hash & (subTables - 1)]!
    const mask = table.length - 1
    for (let slot = (hash >>> 6) & mask; ; slot = (slot + 1) & mask) {
      const entry = table[slot]!
      if (entry === 0) return -1
      if (entry !== removed && this.#isName(entry - 1, length)) return entry - 1
    }
  }

  add(id: number, name: string): void {
    const length = scratch.write(name)
    this.#setPlace(id, this.#store(length))
    this.count++
    this.#insert(id, this.#hash(scratch, 0, length))
  }

  remove(id: number): void {
    const place = this.#placeOf(id)
    if (place < 0) return
    const chunk = this.#chunks[place >>> 20]!
    const at = place & (chunkBytes - 1)
    const hash = this.#hash(chunk, at + 1, at + 1 + chunk[at]!)
    const table = this.#tables[hash & (subTables - 1)]!
    const mask = table.length - 1
    for (let slot = (hash >>> 6) & mask; table[slot] !== 0; slot = (slot + 1) & mask) {
      if (table[slot] === id + 1) table[slot] = removed
    }
    this.#wasted += 1 + chunk[at]!
    this.#setPlace(id, -1)
    this.count--
    if (this.#wasted > 4 * chunkBytes && this.#wasted > this.#chunks.length * (chunkBytes / 2)) this.#repack()
  }

  /** The name of a number, or undefined. */
  name(id: number): string | undefined {
    const place = this.#placeOf(id)
    if (place < 0) return undefined
    const chunk = this.#chunks[place >>> 20]!
    const at = place & (chunkBytes - 1)
    return chunk.toString('utf8', at + 1, at + 1 + chunk[at]!)
  }

  #isName(id: number, length: number): boolean {
    const place = this.#placeOf(id)
    const chunk = this.#chunks[place >>> 20]!
    const at = place & (chunkBytes - 1)
    if (chunk[at] !== length) return false
    for (let n = 0; n < length; n++) if (chunk[at + 1 + n] !== scratch[n]) return false
    return true
  }

  /** Copies the name in `scratch` into the arena. */
  #store(length: number): number {
    if (this.#chunkAt + 1 + length > chunkBytes) {
      this.#chunks.push(Buffer.from(new ArrayBuffer(chunkBytes)))
      this.#chunkAt = 0
    }
    const chunk = this.#chunks[this.#chunks.length - 1]!
    const at = this.#chunkAt
    chunk[at] = length
    for (let n = 0; n < length; n++) chunk[at + 1 + n] = scratch[n]!
    this.#chunkAt += 1 + length
    return (this.#chunks.length - 1) * chunkBytes + at
  }

  #repack(): void {
    const old = this.#chunks.splice(0)
    this.#chunkAt = chunkBytes
    this.#wasted = 0
    for (const places of this.#places) {
      for (let n = 0; n < places.length; n++) {
        if (places[n] === 0) continue
        const place = places[n]! - 1
        const from = old[place >>> 20]!
        const at = place & (chunkBytes - 1)
        from.copy(scratch, 0, at + 1, at + 1 + from[at]!)
        places[n] = this.#store(from[at]!) + 1
      }
    }
  }

  #insert(id: number, hash: number): void {
    const which = hash & (subTables - 1)
    let table = this.#tables[which]!
    if (this.#filled[which]! * 4 >= table.length * 3) table = this.#grow(which)
    place(table, id, hash)
    this.#filled[which]!++
  }

  #grow(which: number): Uint32Array {
    const old = this.#tables[which]!
    const live = old.reduce((sum, entry) => sum + (entry !== 0 && entry !== removed ? 1 : 0), 0)
    const table = new Uint32Array(live * 2 > old.length ? old.length * 2 : old.length)
    for (const entry of old) {
      if (entry === 0 || entry === removed) continue
      const at = this.#placeOf(entry - 1)
      const chunk = this.#chunks[at >>> 20]!
      const begin = (at & (chunkBytes - 1)) + 1
      place(table, entry - 1, this.#hash(chunk, begin, begin + chunk[begin - 1]!))
    }
    this.#tables[which] = table
    this.#filled[which] = live
    return table
  }

  #placeOf(id: number): number {
    return (this.#places[id >>> 16]?.[id & 0xffff] ?? 0) - 1
  }

  #setPlace(id: number, at: number): void {
    while (this.#places.length <= id >>> 16) this.#places.push(new Uint32Array(65_536))
    this.#places[id >>> 16]![id & 0xffff] = at + 1
  }

  #hash(bytes: Uint8Array, from: number, to: number): number {
    let hash = this.#seed
    for (let at = from; at < to; at++) hash = Math.imul(hash ^ bytes[at]!, 0x01000193)
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
    hash = Math.imul(hash ^ (hash >>> 12), 0x297a2d39)
    return (hash ^ (hash >>> 15)) >>> 0
  }
}

function place(table: Uint32Array, id: number, hash: number): void {
  const mask = table.length - 1
  let slot = (hash >>> 6) & mask
  while (table[slot] !== 0 && table[slot] !== removed) slot = (slot + 1) & mask
  table[slot] = id + 1
}
