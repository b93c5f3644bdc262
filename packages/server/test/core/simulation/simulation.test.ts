import { describe, expect, it } from 'vitest'
import { createNode } from '../../../src/core/node.ts'
import { runSeed } from './run-seeds.ts'

const seedSteps = 3000
/** One seed alone, for a replay; 0 for all. */
const only = Number(process.env['FANFARE_SIM_SEED'] ?? 0)
const steps = Number(process.env['FANFARE_SIM_STEPS'] ?? (only === 0 ? 1_000_000 : seedSteps))
const first = only === 0 ? 1 : only
const seeds = only === 0 ? Math.ceil(steps / seedSteps) : 1

describe('the core in a world of faults', () => {
  it(
    `gives every receiver what it must get, over ${seeds} seeds`,
    async () => {
      const findings: string[] = []
      for (let seed = first; seed < first + seeds && findings.length === 0; seed++) {
        const finding = await runSeed(seed, only === 0 ? seedSteps : steps, createNode)
        if (finding === undefined) continue
        const replay = `FANFARE_SIM_SEED=${seed} npx vitest run packages/server/test/core/simulation/simulation.test.ts`
        findings.push(`${finding.text}\nreplay: ${replay}`)
      }
      expect(findings.join('')).toBe('')
    },
    Math.max(60_000, steps / 5),
  )
})
