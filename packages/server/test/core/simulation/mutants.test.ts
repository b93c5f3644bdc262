import { cpSync, mkdtempSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { runSeed } from './run-seeds.ts'
import type { CreateNode } from './simulation.ts'
import { mutants } from './mutants.ts'
import type { Mutant } from './mutants.ts'

const server = fileURLToPath(new URL('../../..', import.meta.url))
const folders = ['src/core', 'test/core/simulation']
const seeds = Number(process.env['FANFARE_MUTANT_SEEDS'] ?? 1000)
const steps = 3000
let copies = ''

beforeAll(() => {
  mkdirSync(join(server, 'dist'), { recursive: true })
  copies = mkdtempSync(join(server, 'dist', 'mutants-'))
})

afterAll(() => rmSync(copies, { recursive: true, force: true }))

describe('the simulation sees that', () => {
  it.each(mutants)('$trap', { timeout: 300_000 }, async (mutant) => {
    const root = join(copies, String(mutants.indexOf(mutant)))
    copyWith(mutant, root)
    const { createNode } = (await import(join(root, 'src/core/node.ts'))) as { createNode: CreateNode }
    const simulation = (await import(join(root, 'test/core/simulation/run-seeds.ts'))) as { runSeed: typeof runSeed }
    let found: string | undefined
    for (let seed = 1; seed <= seeds && found === undefined; seed++) found = (await simulation.runSeed(seed, steps, createNode))?.text
    expect(found).toMatch(/^Error: [a-z ]+: /)
  })
})

function copyWith({ changes }: Mutant, root: string): void {
  for (const folder of folders) {
    mkdirSync(join(root, dirname(folder)), { recursive: true })
    cpSync(join(server, folder), join(root, folder), { recursive: true, filter: (file) => !file.endsWith('.test.ts') })
    expect(readdirSync(join(root, folder)).length).toBeGreaterThan(0)
  }
  for (const { file, from, to } of changes) {
    const text = readFileSync(join(root, file), 'utf8')
    expect(text.split(from), `${file} has this once: ${from}`).toHaveLength(2)
    writeFileSync(
      join(root, file),
      text.replace(from, () => to),
    )
  }
}
