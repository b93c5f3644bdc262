import type { Runtime } from '@fanfare/wire'
import type { Commit } from '../engine.ts'

/** Tells commits to all who follow, to each in order and once. */
export class Feed {
  readonly #runtime: Runtime
  readonly #followers = new Set<Follower>()

  constructor(runtime: Runtime) {
    this.#runtime = runtime
  }

  /** The backlog comes first, a commit a turn; then what is told. Returns what ends it. */
  follow(backlog: readonly Commit[], onCommit: (commit: Commit) => void): () => void {
    const follower: Follower = { queue: [...backlog], onCommit }
    this.#followers.add(follower)
    if (backlog.length > 0) this.#catchUp(follower)
    return () => void this.#followers.delete(follower)
  }

  tell(commit: Commit): void {
    for (const follower of this.#followers) {
      if (follower.queue.length > 0) follower.queue.push(commit)
      else follower.onCommit(commit)
    }
  }

  close(): void {
    this.#followers.clear()
  }

  #catchUp(follower: Follower): void {
    this.#runtime.soon(() => {
      const commit = follower.queue[0]
      if (commit === undefined || !this.#followers.has(follower)) return
      follower.onCommit(commit)
      follower.queue.shift()
      if (follower.queue.length > 0) this.#catchUp(follower)
    })
  }
}

interface Follower {
  /** What it has not been told yet; empty while it is live. The first leaves when it was told, so that nothing overtakes it. */
  readonly queue: Commit[]
  readonly onCommit: (commit: Commit) => void
}
