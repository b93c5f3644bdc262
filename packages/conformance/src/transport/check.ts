import type { ReceiverRow } from '../receivers/receiver.ts'
import type { Bed } from './bed.ts'

/** What checks are about, in the order of the table. */
export const columns = [
  'opening',
  'order',
  'resume',
  'pairs',
  'several',
  'gaps',
  'payloads',
  'commands',
  'bad input',
  'origins',
  'heartbeat',
] as const
export type Column = (typeof columns)[number]

/** One thing that a server owes over a transport or protocol. It fails by throwing. The same under the test runner and against a server elsewhere. */
export interface Check {
  readonly row: ReceiverRow
  /** Another one that takes part, where there is one. */
  readonly also?: ReceiverRow
  readonly column: Column
  readonly name: string
  /** Longer than what a check has usually. */
  readonly patienceMs?: number
  run(bed: Bed): Promise<void>
}

/** Thrown where a server can't be brought to do what is to be checked. */
export class LeftOut extends Error {}

export function check(
  row: ReceiverRow,
  column: Column,
  name: string,
  run: (bed: Bed) => Promise<void>,
  more: { readonly also?: ReceiverRow; readonly patienceMs?: number } = {},
): Check {
  return { row, column, name, run, ...more }
}
