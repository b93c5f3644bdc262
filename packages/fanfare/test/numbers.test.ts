import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { command, serving } from './support/command.ts'
import { agent, follows } from './support/followers.ts'
import type { Publication } from './support/followers.ts'

// The main job on real input: `seq 1 100000 | fanfare publish numbers`, and receivers that were there before, come in its middle, and after it.

const count = 100_000
const names = ['poll', 'long-poll', 'sse', 'websocket', 'fanfare.v1'] as const

let directory: string

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'fanfare-numbers-'))
  writeFileSync(
    join(directory, 'fanfare.yaml'),
    'channels:\n  - match: "**"\n    keep: { publications: 2000000, age: none, bytes: none }\n',
  )
})
afterAll(() => {
  agent.destroy()
  rmSync(directory, { recursive: true, force: true })
})

/** Takes the numbers from the first on and fails at once where one is missing, doubled or out of order. */
class Counter {
  readonly name: (typeof names)[number]
  held = 0
  readonly #steps: { readonly at: number; readonly reached: () => void }[] = []

  constructor(name: (typeof names)[number]) {
    this.name = name
  }

  async run(url: string): Promise<void> {
    const end = new AbortController()
    const told = {
      cursor: () => undefined,
      gap: (gap: unknown) => {
        throw new Error(`${this.name} was told a gap: ${JSON.stringify(gap)}`)
      },
      publication: ({ data }: Publication) => {
        if (String(data) !== String(this.held + 1)) throw new Error(`${this.name} got ${String(data)} after ${this.held}`)
        this.held++
        for (const { at, reached } of this.#steps) if (at === this.held) reached()
        if (this.held === count) end.abort()
      },
    }
    await follows[this.name](url, ['numbers'], 'earliest', told, end.signal).catch((error: unknown) => {
      if (!end.signal.aborted) throw error
    })
    if (this.held !== count) throw new Error(`${this.name} ended after ${this.held}`)
  }

  async reaches(at: number): Promise<void> {
    await new Promise<void>((reached) => this.#steps.push({ at, reached }))
  }
}

describe('seq 1 100000 | fanfare publish numbers', () => {
  it('is answered for all, and every receiver holds 1 to 100000 in order, once', { timeout: 180_000 }, async () => {
    const server = await serving(directory, '--config', join(directory, 'fanfare.yaml'), '--data', join(directory, 'data'))
    const input = `${Array.from({ length: count }, (_, index) => index + 1).join('\n')}\n`
    try {
      const before = names.map((name) => new Counter(name))
      const runs = before.map(async (counter) => await counter.run(server.url))
      const middle = before[0]?.reaches(30_000)
      const publishing = command(['publish', 'numbers', '--url', server.url], { directory, input })
      const early = Promise.all(runs)
      await Promise.race([middle, early])
      const during = Promise.all(names.map(async (name) => await new Counter(name).run(server.url)))
      expect({ code: await publishing.ended, stderr: publishing.stderr() }).toEqual({ code: 0, stderr: '' })
      expect(publishing.stdout().replace(/[,\s]/g, '')).toContain('100000')
      await Promise.all([early, during])
      await Promise.all(names.map(async (name) => await new Counter(name).run(server.url)))
    } finally {
      server.child.kill('SIGTERM')
      expect(await server.ended).toBe(0)
    }
  })
})
