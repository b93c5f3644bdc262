import type { Published } from './publisher.ts'
import type { Taking } from './taking.ts'

/** Where a client receives from. */
export interface Place {
  readonly url: string
  readonly channel: string
  /** A folder for files of its own. */
  readonly directory: string
  /** A cursor, or `earliest`. */
  readonly since: string
  /** What the publisher was answered for the nth publication; for clients whose way carries no cursor. */
  answerTo(number: number): Promise<Published>
}

/** A client of somebody else's make, with the few lines around it that a user writes: it connects again by itself, with its cursor. */
export interface Client {
  readonly name: string
  /** Begins to receive; what it gives back ends it, connections and processes included. */
  start(place: Place, taking: Taking): () => Promise<void>
}
