import type { Rule } from '@fanfare/wire'
import { defaultKeep } from '@fanfare/wire'
import type { EngineFault } from '../faults.ts'

/** A server that passes the suite: started here, or one that runs already with `suiteRules`. */
export interface ServerRow {
  readonly name: string
  start(fault?: EngineFault): Promise<RunningServer>
}

export interface RunningServer {
  /** `http://host:port` */
  readonly url: string
  close(): Promise<void>
}

/** Channels under `short/` keep so few publications. */
export const shortKeep = 5

/** What the server has to be configured with. */
export const suiteRules: readonly Rule[] = [
  { match: 'short/**', keep: { publications: shortKeep, ageMs: null, bytes: null }, payloadBytes: 65_536, public: false },
  { match: '**', keep: defaultKeep, payloadBytes: 65_536, public: false },
]
