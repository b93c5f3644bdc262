import type { Mistake } from './flags.ts'
import { say } from './io.ts'
import type { Io } from './io.ts'

/** CONTRACT section 8. */
export const exitCodes = { well: 0, failed: 1, usage: 2 } as const

/** One line a mistake, each with its place. */
export function tell(mistakes: readonly Mistake[], io: Io): void {
  for (const { where, text } of mistakes) say(io.stderr, `${where}: ${text}`)
}

/** Wrong usage in one sentence. */
export function misused(io: Io, text: string): number {
  say(io.stderr, text)
  return exitCodes.usage
}
