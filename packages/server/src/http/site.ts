import type { Rule } from '@fanfare/wire'
import type { FanfareNode } from '../core/node-contract.ts'
import type { Settings } from '../options.ts'
import type { Ground, Transport } from '../transports/transport.ts'
import type { BodyLimits } from './body.ts'
import type { Guard } from './guard.ts'
import type { Metrics } from './metrics.ts'

/** All that the HTTP interface of one server stands on. */
export interface Site {
  /** The path that stands before all addresses; empty where there is none. */
  readonly prefix: string
  readonly settings: Settings
  readonly node: FanfareNode
  readonly ground: Ground
  readonly transports: ReadonlyMap<string, Transport>
  readonly guard: Guard
  readonly metrics: Metrics
  /** Names this server to clients of two-way protocols; new at each start. */
  readonly nodeName: string
  /** Of a single publish: no payload is larger than the most generous rule allows. */
  readonly bodyLimits: BodyLimits
  readonly ruleOf: (channel: string) => Rule
  readonly random: (count: number) => Uint8Array
  readonly state: SiteState
}

export interface SiteState {
  /** Going down: nothing new is begun. */
  draining: boolean
  /** Publishes and other answers that are under way. */
  underWay: number
  /** Called when the last of them is answered. */
  onQuiet: (() => void) | undefined
}
