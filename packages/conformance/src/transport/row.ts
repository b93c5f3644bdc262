import type { Rule } from '@fanfare/wire'
import { defaultKeep } from '@fanfare/wire'
import type { EngineFault } from '../faults.ts'

/** A server that passes the suite: started here, or one that runs already with `suiteRules`. */
export interface ServerRow {
  readonly name: string
  start(fault?: EngineFault): Promise<RunningServer>
  /** What is published survives a restart. */
  readonly durable: boolean
  /** Passed again under each fault of an engine; once for what differs by engine alone. */
  readonly underFaults: boolean
}

export interface RunningServer {
  /** `http://host:port` */
  readonly url: string
  close(): Promise<void>
  /** Ends it and starts it again at the same address, over the same store where it is durable. */
  restart(): Promise<void>
}

/** Channels under `short/` keep so few publications. */
export const shortKeep = 5

/** What the server has to be configured with. */
export const suiteRules: readonly Rule[] = [
  { match: 'short/**', keep: { publications: shortKeep, ageMs: null, bytes: null }, payloadBytes: 65_536, public: false },
  { match: '**', keep: defaultKeep, payloadBytes: 65_536, public: false },
]
