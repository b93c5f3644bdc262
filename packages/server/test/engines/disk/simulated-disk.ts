import type { Files, OpenFile } from '../../../src/engines/disk/files.ts'

export const blockBytes = 4096
const sectorBytes = 512

interface Inode {
  /** What a reader sees: the cache. */
  cache: Uint8Array
  size: number
  /** What the disk holds. */
  disk: Uint8Array
  diskSize: number
  /** Blocks that the cache would still write. */
  dirty: Set<number>
  /** Bytes that another inode has too are copied before they are changed. */
  ownsCache: boolean
  ownsDisk: boolean
}

type NameChange =
  | { readonly kind: 'link'; readonly name: string; readonly inode: Inode }
  | { readonly kind: 'unlink'; readonly name: string }
  | { readonly kind: 'rename'; readonly from: string; readonly to: string }

export type Chance = (below: number) => number

/** A small, quick, seeded generator (mulberry32). */
export function chanceOf(seed: number): Chance {
  let state = seed >>> 0
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0
    let value = Math.imul(state ^ (state >>> 15), 1 | state)
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value
    return ((((value ^ (value >>> 14)) >>> 0) / 0x1_0000_0000) * below) | 0
  }
}

/** A disk in memory whose writes reach it only when they are synced, or, at a crash, in any part and order; blocks may be torn at 512 bytes. */
export class SimulatedDisk implements Files {
  readonly #names = new Map<string, Inode>()
  readonly #diskNames = new Map<string, Inode>()
  #changes: NameChange[] = []
  /** Bytes of all files; a write beyond fails with ENOSPC. */
  capacity = Infinity
  /** The next sync of a file with such a name fails once: its pages count as clean and were not written. */
  failSync: RegExp | undefined
  /** Counts what could be a moment of a crash; `onStep` may throw to stop there. */
  onStep: (() => void) | undefined

  list(): { readonly name: string; readonly size: number }[] {
    return [...this.#names].map(([name, { size }]) => ({ name, size }))
  }

  open(name: string): OpenFile {
    let inode = this.#names.get(name)
    if (inode === undefined) {
      inode = { cache: new Uint8Array(0), size: 0, disk: new Uint8Array(0), diskSize: 0, dirty: new Set(), ownsCache: true, ownsDisk: true }
      this.#names.set(name, inode)
      this.#changes.push({ kind: 'link', name, inode })
    }
    return this.#handle(name, inode)
  }

  rename(from: string, to: string): void {
    this.onStep?.()
    const inode = this.#names.get(from)
    if (inode === undefined) throw Object.assign(new Error(`no file ${from}`), { code: 'ENOENT' })
    this.#names.delete(from)
    this.#names.set(to, inode)
    this.#changes.push({ kind: 'rename', from, to })
  }

  remove(name: string): void {
    this.onStep?.()
    if (!this.#names.delete(name)) throw Object.assign(new Error(`no file ${name}`), { code: 'ENOENT' })
    this.#changes.push({ kind: 'unlink', name })
  }

  syncNames(): void {
    this.onStep?.()
    for (const change of this.#changes) applyChange(this.#diskNames, change)
    this.#changes = []
  }

  free(): number {
    return this.capacity === Infinity ? 1e12 : Math.max(0, this.capacity - this.#used())
  }

  /** The power goes: what was not synced is there, or not, or in part. */
  crash(chance: Chance): SimulatedDisk {
    const after = new SimulatedDisk()
    const names = new Map(this.#diskNames)
    for (const change of this.#changes) if (chance(2) === 0) applyChange(names, change)
    const settled = new Map<Inode, Inode>()
    for (const [name, inode] of names) {
      let copy = settled.get(inode)
      if (copy === undefined) {
        copy = settle(inode, chance)
        settled.set(inode, copy)
      }
      after.#names.set(name, copy)
      after.#diskNames.set(name, copy)
    }
    return after
  }

  /** The process is killed: the cache stays, and with it what it has not written yet. */
  kill(): SimulatedDisk {
    const after = new SimulatedDisk()
    const copies = new Map<Inode, Inode>()
    const copyOf = (inode: Inode): Inode => {
      const known = copies.get(inode)
      if (known !== undefined) return known
      inode.ownsCache = inode.ownsDisk = false
      const copy = { ...inode, dirty: new Set(inode.dirty) }
      copies.set(inode, copy)
      return copy
    }
    for (const [name, inode] of this.#names) after.#names.set(name, copyOf(inode))
    for (const [name, inode] of this.#diskNames) after.#diskNames.set(name, copyOf(inode))
    after.#changes = this.#changes.map((change) => (change.kind === 'link' ? { ...change, inode: copyOf(change.inode) } : change))
    return after
  }

  /** Changes a byte that was synced. */
  flip(name: string, place: number): void {
    const inode = this.#names.get(name)!
    inode.cache[place]! ^= 0x10
    if (inode.disk !== inode.cache) inode.disk[place]! ^= 0x10
  }

  contents(name: string): Uint8Array | undefined {
    const inode = this.#names.get(name)
    return inode?.cache.subarray(0, inode.size)
  }

  #used(): number {
    let used = 0
    for (const { size } of this.#names.values()) used += size
    return used
  }

  #handle(name: string, inode: Inode): OpenFile {
    return {
      name,
      size: () => inode.size,
      read: (into, place) => {
        const part = inode.cache.subarray(place, Math.min(inode.size, place + into.length))
        into.set(part)
        return part.length
      },
      write: (bytes, place) => {
        this.onStep?.()
        const end = place + bytes.length
        if (end > inode.size && this.#used() + end - inode.size > this.capacity)
          throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
        if (end > inode.cache.length || !inode.ownsCache) inode.cache = grown(inode.cache, Math.max(end, inode.cache.length))
        inode.ownsCache = true
        inode.cache.set(bytes, place)
        inode.size = Math.max(inode.size, end)
        for (let block = Math.floor(place / blockBytes); block * blockBytes < end; block++) inode.dirty.add(block)
      },
      sync: () => {
        this.onStep?.()
        const fails = this.failSync?.test(name) ?? false
        if (!fails) writeBack(inode)
        inode.dirty.clear()
        if (!fails) return
        this.failSync = undefined
        throw Object.assign(new Error('the disk failed'), { code: 'EIO' })
      },
      close: () => undefined,
    }
  }
}

function grown(bytes: Uint8Array, size: number): Uint8Array {
  const larger = new Uint8Array(
    size <= bytes.length ? bytes.length : Math.ceil(Math.max(size, bytes.length * 1.5) / blockBytes) * blockBytes,
  )
  larger.set(bytes)
  return larger
}

function writeBack(inode: Inode): void {
  if (inode.disk.length < inode.cache.length || !inode.ownsDisk || inode.disk === inode.cache)
    inode.disk = grown(inode.disk, inode.cache.length)
  inode.ownsDisk = true
  for (const block of inode.dirty) inode.disk.set(inode.cache.subarray(block * blockBytes, (block + 1) * blockBytes), block * blockBytes)
  inode.diskSize = inode.size
}

function settle(inode: Inode, chance: Chance): Inode {
  inode.ownsDisk = false
  if (inode.dirty.size === 0)
    return {
      cache: inode.disk,
      size: inode.diskSize,
      disk: inode.disk,
      diskSize: inode.diskSize,
      dirty: new Set(),
      ownsCache: false,
      ownsDisk: false,
    }
  const disk = grown(inode.disk, inode.cache.length)
  let size = inode.diskSize
  const all = chance(4)
  for (const block of inode.dirty) {
    const how = all === 0 ? 1 : chance(4)
    if (how === 0) continue
    const begin = block * blockBytes
    for (let at = begin; at < begin + blockBytes && at < inode.cache.length; at += sectorBytes) {
      if (how === 3 && chance(2) === 0) continue
      disk.set(inode.cache.subarray(at, at + sectorBytes), at)
      size = Math.max(size, Math.min(inode.size, at + sectorBytes))
    }
  }
  return { cache: disk, size, disk, diskSize: size, dirty: new Set(), ownsCache: false, ownsDisk: false }
}

function applyChange(names: Map<string, Inode>, change: NameChange): void {
  if (change.kind === 'link') names.set(change.name, change.inode)
  else if (change.kind === 'unlink') names.delete(change.name)
  else {
    const inode = names.get(change.from)
    if (inode === undefined) return
    names.delete(change.from)
    names.set(change.to, inode)
  }
}
