import { Simulation } from './simulation.ts'
import type { CreateNode } from './simulation.ts'

export interface Finding {
  readonly seed: number
  readonly text: string
}

/** Runs one seed; says what was found, if anything. */
export async function runSeed(seed: number, steps: number, create: CreateNode): Promise<Finding | undefined> {
  try {
    await new Simulation(seed, create).run(steps)
    return undefined
  } catch (error) {
    return { seed, text: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
}
