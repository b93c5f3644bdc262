import type { Publication, Runtime } from '@fanfare/wire'
import type { Commit, Deletion } from '../engine.ts'
import type { Frame } from './frame.ts'

interface Follower {
  place: number
  /** Behind the head: reads until it stands there. */
  lags: boolean
  ended: boolean
  readonly onCommit: (commit: Commit) => void
}

export interface FeedOptions {
  readonly runtime: Runtime
  /** Newest committed place. */
  readonly head: () => number
  /** The next commits after a place, as they are still kept; goes at least one place on. */
  readonly read: (after: number, through: number) => Promise<Commit>
  readonly onFailure: (error: Error) => void
}

/** Tells followers what was committed: from the commit itself while they stand at the head, from the log until then. */
export class Feed {
  readonly #options: FeedOptions
  readonly #followers = new Set<Follower>()

  constructor(options: FeedOptions) {
    this.#options = options
  }

  follow(after: number, onCommit: (commit: Commit) => void): () => void {
    const head = this.#options.head()
    if (after > head) throw new RangeError(`place ${after} is beyond the head ${head}`)
    const follower = { place: after, lags: after < head, ended: false, onCommit }
    this.#followers.add(follower)
    if (follower.lags) this.#options.runtime.soon(() => void this.#catchUp(follower))
    return () => {
      follower.ended = true
      this.#followers.delete(follower)
    }
  }

  /** A frame was committed, and the head stands behind it. */
  tell(frame: Frame, mark: string): void {
    if (this.#followers.size === 0 || frame.items.length === 0) return
    const commit = commitOf(frame, mark)
    for (const follower of this.#followers) {
      if (follower.lags) continue
      follower.place = commit.through
      follower.onCommit(commit)
    }
  }

  close(): void {
    for (const follower of this.#followers) follower.ended = true
    this.#followers.clear()
  }

  async #catchUp(follower: Follower): Promise<void> {
    try {
      while (!follower.ended && follower.place < this.#options.head()) {
        const commit = await this.#options.read(follower.place, this.#options.head())
        // Ended while it was read.
        if (follower.ended) return
        follower.place = commit.through
        follower.onCommit(commit)
      }
      follower.lags = false
    } catch (error) {
      this.#options.onFailure(error as Error)
    }
  }
}

function commitOf(frame: Frame, mark: string): Commit {
  const publications: Publication[] = []
  const deletions: Deletion[] = []
  for (const [n, item] of frame.items.entries()) {
    const { channel, offset, seq, time } = frame.placed[n]!
    if (item.kind === 'delete') deletions.push({ channel, seq, time })
    else publications.push({ channel, offset, seq, time, ...item.message })
  }
  return { from: frame.firstSeq - 1, through: frame.lastSeq, mark, publications, deletions }
}
