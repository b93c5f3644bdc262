import { env } from 'node:process'
import { describe, expect, it } from 'vitest'
import { createNode } from '../../../src/core/node.ts'
import { runSeed } from './run-seeds.ts'

const seedSteps = 3000
const only = env['FANFARE_SIM_SEED']
const steps = Number(env['FANFARE_SIM_STEPS'] ?? (only === undefined ? 1_000_000 : seedSteps))
const first = only === undefined ? 1 : Number(only)
const seeds = only === undefined ? Math.ceil(steps / seedSteps) : 1

describe('the core in a world of faults', () => {
  it(
    `gives every receiver what it must get, over ${seeds} seeds`,
    async () => {
      const findings: string[] = []
      for (let seed = first; seed < first + seeds && findings.length === 0; seed++) {
        const finding = await runSeed(seed, only === undefined ? seedSteps : steps, createNode)
        if (finding === undefined) continue
        const replay = `FANFARE_SIM_SEED=${seed} npx vitest run packages/server/test/core/simulation/simulation.test.ts`
        findings.push(`${finding.text}\nreplay: ${replay}`)
      }
      expect(findings).toEqual([])
    },
    Math.max(60_000, steps / 5),
  )
})
