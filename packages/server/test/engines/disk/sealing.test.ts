import { describe, expect, it } from 'vitest'
import type { Facts, Item } from '../../../src/engines/engine.ts'
import { chanceOf, Model, openSimulated, publicationOf, readChannel, ruleOf, SimulatedDisk, testRuntime } from './model.ts'

const rules = [
  ruleOf('all/**', {}),
  ruleOf('count/**', { publications: 20 }),
  ruleOf('bytes/**', { bytes: 2000 }),
  ruleOf('age/**', { ageMs: 60_000 }),
  ruleOf('**', { publications: 5, ageMs: 300_000, bytes: 1000 }),
]

/** What was trimmed before a deletion may have been noticed or not: the deletion hides it. */
const comparable = (facts: Facts): Facts => (facts.trimmed.seq < facts.deletedAt ? { ...facts, trimmed: { seq: 0, offset: 0 } } : facts)

/** Many channels, deletions, retention, restarts, with journals so small that they are sealed and merged all the time. */
async function live(seed: number, steps: number): Promise<{ readonly sealed: boolean }> {
  const chance = chanceOf(seed)
  const runtime = testRuntime(seed)
  const names = rules.flatMap(({ match }, n) =>
    Array.from({ length: 4 }, (_, k) => ({ name: `${match.replace('/**', '').replace('**', 'rest')}/${k}`, rule: rules[n]! })),
  )
  const model = new Model(new Map(names.map(({ name, rule }) => [name, rule])))
  const files = new SimulatedDisk()
  let engine = await openSimulated(files, runtime, rules)
  for (let step = 0; step < steps; step++) {
    const items: Item[] = []
    for (let n = 1 + chance(20); n > 0; n--) {
      const { name } = names[chance(chance(2) === 0 ? 3 : names.length)]!
      items.push(
        chance(60) === 0
          ? { kind: 'delete', channel: name }
          : publicationOf(name, 'x'.repeat(chance(chance(30) === 0 ? 6000 : 200)) + step),
      )
    }
    const answer = await engine.append({ items })
    expect(answer.kind).toBe('placed')
    model.append({ items }, runtime.now())
    runtime.advance(chance(2000))
    if (chance(100) === 0) {
      await engine.close()
      engine = await openSimulated(files, runtime, rules)
    }
    if (step % 25 === 24) {
      const { seq } = await engine.head()
      expect(seq).toBe(model.seq)
      const { name } = names[chance(names.length)]!
      const after = chance(seq)
      expect(comparable(await engine.facts(name)), `seed ${seed}, step ${step}: facts of ${name}`).toEqual(
        comparable(model.facts(name, runtime.now())),
      )
      expect(await readChannel(engine, name, after, seq), `seed ${seed}, step ${step}: ${name} after ${after}`).toEqual(
        model.read(name, after, seq, runtime.now()),
      )
    }
  }
  const { seq } = await engine.head()
  for (const { name } of names)
    expect(await readChannel(engine, name, 0, seq), `seed ${seed}: ${name}`).toEqual(model.read(name, 0, seq, runtime.now()))
  const sealed = files.list().some(({ name }) => name.startsWith('segment-'))
  await engine.close()
  return { sealed }
}

describe('a sealed store', () => {
  for (let seed = 1; seed <= 8; seed++) {
    it(`gives what an unsealed one would give, restarts, deletions and retention included (seed ${seed})`, async () => {
      expect((await live(seed, 1200)).sealed).toBe(true)
    })
  }

  it('has room for thousands of channels in a segment, and long runs in it are found from their middle', async () => {
    const files = new SimulatedDisk()
    const options = { journalBytes: 1 << 20, journalMostBytes: 1 << 20, onTrouble: (error: Error) => expect.fail(error.message) }
    const engine = await openSimulated(files, testRuntime(1), [ruleOf('**', {})], options)
    for (let n = 0; n < 40; n++) {
      await engine.append({ items: Array.from({ length: 100 }, (_, k) => publicationOf(`many/${n * 100 + k}`, `${n}`)) })
      await engine.append({ items: Array.from({ length: 100 }, (_, k) => publicationOf('one', `${n * 100 + k}`.padEnd(150, '.'))) })
    }
    const { seq } = await engine.head()
    expect(files.list().some(({ name }) => name.startsWith('segment-'))).toBe(true)
    await engine.close()
    const again = await openSimulated(files, testRuntime(2), [ruleOf('**', {})], options)
    expect((await readChannel(again, 'one', 0, seq)).map(({ data }) => Number.parseInt(data, 10))).toEqual(
      Array.from({ length: 4000 }, (_, n) => n),
    )
    const middle = await again.newest('one', 1234, seq)
    expect((await readChannel(again, 'one', middle, seq)).length).toBe(1234)
    for (const n of [0, 1999, 3999])
      expect((await readChannel(again, `many/${n}`, 0, seq)).map(({ data }) => data)).toEqual([`${Math.floor(n / 100)}`])
    await again.close()
  })

  it('tells a follower from its begin all that is kept, in order, from segments and journals', async () => {
    const files = new SimulatedDisk()
    const engine = await openSimulated(files, testRuntime(1), [ruleOf('**', {})])
    for (let n = 1; n <= 300; n++)
      await engine.append({ items: [n === 150 ? { kind: 'delete', channel: 'c1' } : publicationOf(`c${n % 7}`, `${n}`.padEnd(200, '.'))] })
    expect(files.list().some(({ name }) => name.startsWith('segment-'))).toBe(true)
    const told: number[] = []
    const deletions: number[] = []
    const places: number[] = [0]
    await new Promise<void>((resolve) => {
      engine.follow(0, (commit) => {
        expect(commit.from).toBe(places.at(-1))
        places.push(commit.through)
        for (const { seq, data } of commit.publications) {
          expect(Number.parseInt(new TextDecoder().decode(data), 10)).toBe(seq)
          told.push(seq)
        }
        for (const { seq } of commit.deletions) deletions.push(seq)
        if (commit.through === 300) resolve()
      })
    })
    expect(told.filter((seq) => seq % 7 !== 1)).toEqual(
      Array.from({ length: 300 }, (_, n) => n + 1).filter((seq) => seq % 7 !== 1 && seq !== 150),
    )
    expect(told.filter((seq) => seq > 150).length).toBe(150)
    expect(deletions).toEqual([150])
    await engine.close()
  })

  it('gives the room back of what is not kept', async () => {
    const files = new SimulatedDisk()
    const engine = await openSimulated(files, testRuntime(1), [ruleOf('**', { publications: 20 })])
    for (let n = 0; n < 1000; n++)
      await engine.append({ items: Array.from({ length: 10 }, (_, k) => publicationOf(`c${k}`, `${n}`.padEnd(300, '.'))) })
    for (let k = 0; k < 10; k++) expect(await engine.facts(`c${k}`)).toMatchObject({ count: 20, lastOffset: 1000 })
    // 200 records of 344 bytes are kept; three journals of 64 KiB.
    const bytes = files.list().reduce((sum, { size }) => sum + size, 0)
    expect(bytes).toBeLessThan(4 * 200 * 344 + 3 * 65_536)
    expect(engine.stats().publications).toBe(200)
    await engine.close()
  })
})

describe('a segment that holds keys and little else', () => {
  it('is not written anew again and again', async () => {
    const disk = new SimulatedDisk()
    const runtime = testRuntime(1)
    const engine = await openSimulated(disk, runtime, [ruleOf('**', { publications: 1 })])
    const expires = runtime.now() + 1e9
    for (let n = 0; n < 60; n++) {
      const once = { key: `${n}`.padEnd(500, '.'), print: 'p', expires }
      await engine.append({ items: [{ ...publicationOf(`c${n}`, 'x'), once } as Item] })
    }
    const turns = async (count: number) => {
      for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
      return disk.list().filter(({ name }) => name.startsWith('segment-'))
    }
    expect(await turns(1000)).toEqual(await turns(1000))
    await engine.close()
  })
})
