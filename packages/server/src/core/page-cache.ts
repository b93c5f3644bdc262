import type { Page } from './page.ts'

interface Kept {
  readonly page: Page
  readonly owner: PageOwner
  counted: number
}

/** Who looks pages up; told when one goes. */
export interface PageOwner {
  evicted(page: Page): void
}

const remembered = 1024

/** Pages of all channels in memory, tails included; the least recently used goes first. Counted at their real size, encoded forms included. */
export class PageCache {
  readonly #kept = new Map<Page, Kept>()
  readonly #most: number
  readonly #asked = new Set<string>()
  bytes = 0

  constructor(most: number) {
    this.#most = most
  }

  get count(): number {
    return this.#kept.size
  }

  /** Keeps the page from now on, or counts it anew where it is kept. */
  put(page: Page, owner: PageOwner): void {
    if (this.#kept.has(page)) return this.touch(page)
    this.#kept.set(page, { page, owner, counted: page.size })
    this.bytes += page.size
  }

  /** Used now; its size may have grown. */
  touch(page: Page): void {
    const kept = this.#kept.get(page)
    if (kept === undefined) return
    this.bytes += page.size - kept.counted
    kept.counted = page.size
    this.#kept.delete(page)
    this.#kept.set(page, kept)
  }

  remove(page: Page): void {
    const kept = this.#kept.get(page)
    if (kept === undefined) return
    this.#kept.delete(page)
    this.bytes -= kept.counted
  }

  /** True where somebody asked for the same not long ago: then it is worth keeping. */
  askedBefore(channel: string, place: number): boolean {
    const key = `${place} ${channel}`
    if (this.#asked.delete(key)) return true
    if (this.#asked.size >= remembered) for (const oldest of this.#asked) if (this.#asked.delete(oldest)) break
    this.#asked.add(key)
    return false
  }

  /** Lets the least recently used go until the limit holds; called between turns, when nobody has a page half used. */
  trim(): void {
    if (this.bytes <= this.#most) return
    for (const { page, owner } of this.#kept.values()) {
      this.remove(page)
      owner.evicted(page)
      if (this.bytes <= this.#most) return
    }
  }
}
