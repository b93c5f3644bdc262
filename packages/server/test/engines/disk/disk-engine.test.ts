import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { defaultKeep, limits, type Message, type Rule } from '@fanfare/wire'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { AppendAnswer, Commit, Engine, Placed } from '../../../src/engines/engine.ts'
import { type DiskOptions, openDiskEngine } from '../../../src/engines/disk/disk-engine.ts'
import { systemRuntime } from '../../../src/runtime.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder()
const text = (data: string): Message => ({ data: encoder.encode(data), format: 'text' })
const everything: readonly Rule[] = [{ match: '**', keep: defaultKeep, payloadBytes: 65_536, public: false }]

let directory = ''
const opened: Engine[] = []

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'fanfare-disk-'))
})

afterEach(async () => {
  for (const engine of opened.splice(0)) await engine.close()
  rmSync(directory, { recursive: true, force: true })
})

async function open(options: Partial<DiskOptions> & { readonly rules?: readonly Rule[] } = {}): Promise<Engine> {
  const engine = await openDiskEngine({ runtime: systemRuntime, limits, rules: everything, directory, ...options })
  opened.push(engine)
  return engine
}

async function publish(engine: Engine, channel: string, data: string): Promise<Placed> {
  return placedOf(await engine.append({ items: [{ kind: 'publication', channel, message: text(data) }] }))[0]!
}

function placedOf(answer: AppendAnswer): readonly Placed[] {
  if (answer.kind !== 'placed') throw new Error('the append was a conflict')
  return answer.placed
}

async function readAll(engine: Engine, channel: string): Promise<string[]> {
  const { seq } = await engine.head()
  const texts: string[] = []
  for (let after = 0; after < seq;) {
    const page = await engine.read(channel, after, seq)
    for (const { data } of page.publications) texts.push(decoder.decode(data))
    after = page.through
  }
  return texts
}

describe('the disk engine', () => {
  it('gives places in order, and reads back what was published', async () => {
    const engine = await open()
    const placed = []
    for (let n = 1; n <= 300; n++) placed.push(publish(engine, n % 3 === 0 ? 'b' : 'a', `text ${n}`))
    const answers = await Promise.all(placed)
    expect(answers.map(({ seq }) => seq)).toEqual(Array.from({ length: 300 }, (_, n) => n + 1))
    expect(answers.filter(({ channel }) => channel === 'b').map(({ offset }) => offset)).toEqual(
      Array.from({ length: 100 }, (_, n) => n + 1),
    )
    expect(await readAll(engine, 'b')).toEqual(Array.from({ length: 100 }, (_, n) => `text ${(n + 1) * 3}`))
    expect((await readAll(engine, 'a')).length).toBe(200)
  })

  it('tells followers each commit once, in order, those behind too', async () => {
    const engine = await open()
    await publish(engine, 'a', 'one')
    await engine.append({ items: [{ kind: 'delete', channel: 'a' }] })
    await publish(engine, 'a', 'two')
    const seen: Commit[] = []
    const done = new Promise<void>((resolve) => {
      engine.follow(0, (commit) => {
        seen.push(commit)
        if (commit.through === 4) resolve()
      })
    })
    await publish(engine, 'b', 'three')
    await done
    expect(seen.flatMap(({ publications }) => publications.map(({ seq, data }) => [seq, decoder.decode(data)]))).toEqual([
      [1, 'one'],
      [3, 'two'],
      [4, 'three'],
    ])
    expect(seen.flatMap(({ deletions }) => deletions.map(({ seq, channel }) => [seq, channel]))).toEqual([[2, 'a']])
    expect(() => engine.follow(5, () => undefined)).toThrow(RangeError)
  })

  it('keeps seqs, offsets, cursors, facts and keys over a restart', async () => {
    const once = { key: 'k', print: 'p', expires: systemRuntime.now() + 60_000 }
    const message: Message = { data: encoder.encode('{"a":1}'), format: 'json', event: 'é', id: 'x', type: 'application/vnd.x+json' }
    const first = await open()
    await publish(first, 'a', 'one')
    const keyed = placedOf(await first.append({ items: [{ kind: 'publication', channel: 'a', message, once }] }))[0]!
    await first.append({ items: [{ kind: 'delete', channel: 'gone' }], state: [{ key: 's', value: encoder.encode('value'), expires: 0 }] })
    const facts = await first.facts('a')
    const head = await first.head()
    await first.close()

    const second = await open()
    expect(await second.facts('a')).toEqual(facts)
    expect((await second.facts('gone')).deletedAt).toBe(3)
    expect(await second.check({ mark: keyed.mark, seq: keyed.seq })).toEqual({ kind: 'same' })
    expect(await second.check({ mark: keyed.mark, seq: 4 })).toEqual({ kind: 'diverged', common: 3 })
    expect(await second.check({ mark: keyed.mark.slice(0, 8) + 'AAAAAAAA', seq: 1 })).toEqual({ kind: 'diverged', common: null })
    expect(await second.check({ mark: 'AAAAAAAABBBBBBBB', seq: 1 })).toEqual({ kind: 'new-log' })
    expect(decoder.decode(await second.getState('s'))).toBe('value')
    const repeat = placedOf(await second.append({ items: [{ kind: 'publication', channel: 'a', message, once }] }))[0]!
    expect(repeat).toEqual({ ...keyed, replayed: true })
    expect(await second.append({ items: [{ kind: 'publication', channel: 'a', message, once: { ...once, print: 'q' } }] })).toEqual({
      kind: 'conflict',
      index: 0,
    })
    const page = await second.read('a', 0, head.seq)
    expect(page.publications[1]).toMatchObject({ event: 'é', id: 'x', type: 'application/vnd.x+json', format: 'json', offset: 2, seq: 2 })
    const next = await publish(second, 'a', 'three')
    expect([next.offset, next.seq]).toEqual([3, 4])
    expect((await second.head()).starts.map(({ first }) => first)).toEqual([1, 4])
  })

  it('leaves out what the rule leaves out, by count, bytes and age, with the place', async () => {
    const rule = (match: string, keep: Partial<Rule['keep']>): Rule => ({
      match,
      keep: { publications: null, ageMs: null, bytes: null, ...keep },
      payloadBytes: 65_536,
      public: false,
    })
    const engine = await open({ rules: [rule('count', { publications: 3 }), rule('bytes', { bytes: 10 }), rule('**', {})] })
    for (let n = 1; n <= 50; n++) {
      await publish(engine, 'count', `${n}`)
      await publish(engine, 'bytes', 'abc')
    }
    expect(await engine.facts('count')).toMatchObject({ trimmed: { offset: 47, seq: 93 }, count: 3, bytes: 6, lastOffset: 50 })
    expect(await engine.facts('bytes')).toMatchObject({ trimmed: { offset: 47, seq: 94 }, count: 3, bytes: 9 })
    expect(await readAll(engine, 'count')).toEqual(['48', '49', '50'])
    expect(await engine.newest('count', 2, 100)).toBe(96)
    expect(await engine.newest('count', 100, 100)).toBe(94)
    expect(await engine.newest('count', 0, 100)).toBe(99)
  })

  it('refuses a second append of a key that is under way by waiting for the first', async () => {
    const engine = await open()
    const once = { key: 'k', print: 'p', expires: systemRuntime.now() + 60_000 }
    const request = {
      items: [
        { kind: 'publication', channel: 'a', message: text('x') },
        { kind: 'publication', channel: 'b', message: text('y') },
      ],
      once,
    } as const
    const [first, second] = await Promise.all([engine.append(request), engine.append(request)])
    expect(placedOf(second)).toEqual(placedOf(first).map((placed) => ({ ...placed, replayed: true })))
    expect((await engine.head()).seq).toBe(2)
  })

  it('commits what is larger than a journal at once, between small ones, and reads it after a restart', async () => {
    const first = await open({ journalBytes: 65_536, journalMostBytes: 65_536 })
    const big = 'x'.repeat(60_000)
    const batch = {
      items: Array.from({ length: 60 }, (_, n) => ({ kind: 'publication' as const, channel: `c${n % 2}`, message: text(`${n} ${big}`) })),
    }
    const answers: Promise<unknown>[] = []
    for (let n = 0; n < 40; n++) answers.push(publish(first, 'small', `${n}`.padEnd(1000, '.')))
    answers.push(first.append(batch))
    for (let n = 40; n < 80; n++) answers.push(publish(first, 'small', `${n}`.padEnd(1000, '.')))
    await Promise.all(answers)
    await first.append(batch)
    await first.close()
    const second = await open({ journalBytes: 65_536, journalMostBytes: 65_536 })
    expect((await readAll(second, 'small')).map((data) => Number.parseInt(data, 10))).toEqual(Array.from({ length: 80 }, (_, n) => n))
    expect((await readAll(second, 'c1')).map((data) => Number.parseInt(data, 10))).toEqual([
      ...Array.from({ length: 30 }, (_, n) => n * 2 + 1),
      ...Array.from({ length: 30 }, (_, n) => n * 2 + 1),
    ])
    expect((await second.head()).seq).toBe(200)
  })

  it('gives state and keys back after they were sealed, merged, and the store was opened again', async () => {
    const options = { journalBytes: 16_384, journalMostBytes: 16_384, mergeFromBytes: 4096 }
    const expires = systemRuntime.now() + 600_000
    const first = await open(options)
    const keyed = { kind: 'publication', channel: 'k', message: text('once'), once: { key: 'k', print: 'p', expires } } as const
    const [placed] = placedOf(
      await first.append({
        items: [keyed],
        state: [
          { key: 'kept', value: encoder.encode('1'), expires: 0 },
          { key: 'gone', value: encoder.encode('1'), expires: 0 },
        ],
      }),
    )
    for (let n = 0; n < 60; n++) await publish(first, 'a', 'x'.repeat(3000))
    await first.append({
      items: [],
      state: [
        { key: 'kept', value: encoder.encode('2'), expires: 0 },
        { key: 'gone', value: null, expires: 0 },
      ],
    })
    for (let n = 0; n < 60; n++) await publish(first, 'a', 'x'.repeat(3000))
    await first.close()
    const second = await open(options)
    expect(decoder.decode(await second.getState('kept'))).toBe('2')
    expect(await second.getState('gone')).toBeUndefined()
    expect(placedOf(await second.append({ items: [keyed] }))).toEqual([{ ...placed, replayed: true }])
  })
})
