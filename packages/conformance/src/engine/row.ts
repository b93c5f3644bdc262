import type { Engine, EngineOptions } from '@fanfare/server'

/** An engine that passes the suite. */
export interface EngineRow {
  readonly name: string
  /** `directory` is an empty one of this store's own, or the one of a store that was closed: then it goes on. */
  open(options: EngineOptions, directory: string): Promise<Engine>
  /** What is answered survives a close; without it each opening is another store. */
  readonly durable: boolean
  /** Random histories a property; fewer where opening is dear. */
  readonly runs: number
}
