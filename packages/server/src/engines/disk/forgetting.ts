import type { Runtime } from '@fanfare/wire'
import type { OpenedStore } from './opening.ts'
import type { Reading } from './reading.ts'

export interface ForgettingOptions {
  readonly runtime: Runtime
  readonly store: OpenedStore
  readonly reading: Reading
  /** Time for retention. */
  readonly now: () => number
  readonly channelForgetMs: number
  /** Writes into the log that channels are forgotten: those that `choose` names when its turn has come. */
  readonly forget: (most: number, choose: () => readonly { readonly id: number; readonly through: number }[]) => Promise<void>
}

const forgetAtOnce = 5000

/** Forgets channels that have been empty for long: what is left of them is the place through which channels were forgotten. */
export class Forgetting {
  readonly #options: ForgettingOptions
  #through: number
  #closed = false

  constructor(options: ForgettingOptions) {
    this.#options = options
    this.#through = options.store.forgottenThrough
  }

  /** No channel that was forgotten had an entry behind this place. */
  get through(): number {
    return this.#through
  }

  close(): void {
    this.#closed = true
  }

  /** Forgets some at once; the next call goes on. */
  async run(): Promise<void> {
    const { store, reading, runtime } = this.#options
    const { table } = store
    const ids: number[] = []
    let through = this.#through
    for (let id = 1; id < table.end && ids.length < forgetAtOnce; id++) {
      if (id % 65_536 === 0) await new Promise<void>((resolve) => runtime.soon(resolve))
      if (!this.#isOld(id)) continue
      await reading.applyRule(id)
      if (table.floorOffset(id) < table.lastOffset.get(id)) continue
      ids.push(id)
      through = Math.max(through, table.lastSeq.get(id), table.deletedAt.get(id))
    }
    if (ids.length === 0 || this.#closed) return
    await this.#options.forget(ids.length, () => {
      // Some may have been published to meanwhile.
      const still = ids.filter((id) => this.#isOld(id))
      this.#through = through
      return still.map((id) => ({ id, through }))
    })
  }

  /** Nothing of it is under way, and so old that nothing of it may be kept but by a rule without age. */
  #isOld(id: number): boolean {
    const { store, now, channelForgetMs } = this.#options
    const { table } = store
    const deleted = table.deletedAt.get(id) > table.lastSeq.get(id)
    if ((table.lastSeq.get(id) === 0 && !deleted) || table.assignedOffset.get(id) !== table.lastOffset.get(id)) return false
    const empty = table.floorOffset(id) === table.lastOffset.get(id)
    const ageMs = table.ruleOf(id).keep.ageMs ?? (empty ? 0 : null)
    return ageMs !== null && table.lastTime.get(id) + (deleted ? 0 : ageMs) + channelForgetMs < now()
  }
}
