import type { Published } from './publisher.ts'

/** A publication as a client saw it; some ways carry no offset or no cursor. */
export interface Taken {
  readonly data: unknown
  readonly offset?: number
  readonly cursor?: string
}

// What a program needs to start on a machine that does much else; what comes is not waited for so long.
const patienceMs = 60_000

/** What a client has taken, in the order it came. */
export class Taking {
  readonly all: Taken[] = []
  /** What it was told besides publications and places: gaps, refusals. A client that is well hears none. */
  readonly troubles: string[] = []
  #waiting: (() => void)[] = []

  take(taken: Taken): void {
    this.all.push(taken)
    for (const check of this.#waiting) check()
  }

  trouble(text: string): void {
    this.troubles.push(text)
  }

  /** The cursor of the last publication that carried one. */
  get cursor(): string | undefined {
    return this.all.at(-1)?.cursor
  }

  /** Resolves when there are so many; rejects when they don't come. */
  async until(count: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        end()
        reject(new Error(`${this.all.length} of ${count} came; besides: ${this.troubles.slice(0, 5).join('; ')}`))
      }, patienceMs)
      const check = (): void => {
        if (this.all.length < count) return
        end()
        resolve()
      }
      const end = (): void => {
        clearTimeout(timer)
        this.#waiting = this.#waiting.filter((other) => other !== check)
      }
      this.#waiting.push(check)
      check()
    })
  }
}

/** The same publications, as far as what was taken says which: an offset or a cursor that wasn't carried is not compared. */
export function asTaken(published: readonly Published[], taken: readonly Taken[]): readonly Taken[] {
  const [sample] = taken
  return published.map(({ data, offset, cursor }) => ({
    data,
    ...(sample?.offset === undefined ? {} : { offset }),
    ...(sample?.cursor === undefined ? {} : { cursor }),
  }))
}
