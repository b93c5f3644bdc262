import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Engine } from '@fanfare/server'
import type { Cursor } from '@fanfare/wire'
import { describe, expect, it, onTestFinished } from 'vitest'
import { append, drop, Ear, kept, openLab, publish, say, text, textOf } from './lab.ts'
import type { EngineRow } from './row.ts'

const window = 300_000

/** Whose history a place belongs to (promise 7), and what survives a restart (promises 3 and 6). */
export function historySuite(row: EngineRow): void {
  describe('check', () => {
    it('knows every place that was ever given, the first one included', async () => {
      const { engine } = await openLab(row)
      const placed = await append(engine, say('a', '1'), drop('a'), say('b', '2'))
      const begin = { mark: await markOf(engine, 0), seq: 0 }
      for (const { mark, seq } of [begin, ...placed]) expect(await engine.check({ mark, seq })).toEqual({ kind: 'same' })
      expect(await markOf(engine, 3)).toBe(placed[2]?.mark)
    })

    it('tells another store from another history of this one', async () => {
      const lab = await openLab(row)
      const [placed] = await append(lab.engine, say('a', '1'))
      const mark = placed?.mark ?? ''
      expect(await (await lab.another()).check({ mark, seq: 1 })).toEqual({ kind: 'new-log' })
      const stranger = mark.slice(0, 8) + (mark.endsWith('AAAAAAAA') ? 'BBBBBBBB' : 'AAAAAAAA')
      expect(await lab.engine.check({ mark: stranger, seq: 1 })).toMatchObject({ kind: 'diverged' })
    })

    it('tells at once a place that it never gave', async () => {
      const { engine } = await openLab(row)
      const [placed] = await append(engine, say('a', '1'))
      const mark = placed?.mark ?? ''
      expect(await engine.check({ mark, seq: 2 })).toEqual({ kind: 'diverged', common: 1 })
      await append(engine, say('a', '2'))
      expect(await engine.check({ mark, seq: 2 })).toEqual({ kind: 'same' })
    })

    it('marks each commit with the start that made it', async () => {
      const { engine } = await openLab(row)
      const ear = new Ear(engine, 0)
      await append(engine, say('a', '1'))
      await ear.reach(1)
      expect(ear.commits[0]?.mark).toBe(await markOf(engine, 1))
    })
  })

  describe('closing', () => {
    it('commits or refuses what was accepted, answers nothing afterwards, and twice is once', async () => {
      const { engine } = await openLab(row)
      const accepted = Promise.allSettled(Array.from({ length: 20 }, (_, index) => append(engine, say('a', String(index)))))
      await Promise.all([engine.close(), engine.close()])
      await engine.close()
      const refused = (await accepted).filter((answer) => answer.status === 'rejected')
      expect(refused.map(({ reason }) => (reason as { code: string }).code)).toEqual(refused.map(() => 'storage-failed'))
      await expect(append(engine, say('a', 'late'))).rejects.toMatchObject({ code: 'storage-failed' })
    })
  })

  if (!row.durable) return
  describe('a restart', () => {
    restarts(row)
  })
  describe('a copy', () => {
    copies(row)
  })
}

function restarts(row: EngineRow): void {
  it('keeps publications, facts, offsets, seqs and times', async () => {
    const lab = await openLab(row, { keep: { publications: 5 } })
    for (let index = 0; index < 40; index++)
      await append(lab.engine, index === 20 ? drop('b') : say(index % 2 === 0 ? 'b' : 'a', String(index)))
    const before = await everything(lab.engine, ['a', 'b', 'c'])
    const last = before.head.seq
    await lab.reopen()
    const after = await everything(lab.engine, ['a', 'b', 'c'])
    expect({ ...after, head: last }).toEqual({ ...before, head: after.head.seq })
    lab.clock.jump(-1000)
    expect(await append(lab.engine, say('a', 'next'))).toMatchObject([{ seq: last + 1, offset: (before.facts[0]?.lastOffset ?? 0) + 1 }])
  })

  it('continues every cursor, and each start has its own mark', async () => {
    const lab = await openLab(row)
    const cursors: Cursor[] = []
    for (let start = 0; start < 4; start++) {
      const placed = await append(lab.engine, say('a', '1'), say('b', '2'))
      cursors.push(...placed.map(({ mark, seq }) => ({ mark, seq })))
      await lab.reopen()
      for (const cursor of cursors) expect(await lab.engine.check(cursor)).toEqual({ kind: 'same' })
      for (const { mark, seq } of cursors) expect(await markOf(lab.engine, seq)).toBe(mark)
    }
    expect(new Set(cursors.map(({ mark }) => mark)).size).toBe(4)
  })

  it('knows that a start which is over commits nothing more', async () => {
    const lab = await openLab(row)
    const [placed] = await append(lab.engine, say('a', '1'))
    await lab.reopen()
    await publish(lab.engine, 'a', '2', '3')
    expect(await lab.engine.check({ mark: placed?.mark ?? '', seq: 2 })).toEqual({ kind: 'diverged', common: 1 })
  })

  it('keeps keys and their window, and state', async () => {
    const lab = await openLab(row)
    const keyed = say('a', 'x', { key: 'k', expires: lab.clock.now() + window })
    const [first] = await append(lab.engine, keyed)
    await lab.engine.append({
      items: [say('a', 'y')],
      state: [
        { key: 's', value: text('v'), expires: 0 },
        { key: 't', value: text('w'), expires: lab.clock.now() + window },
      ],
    })
    await lab.reopen()
    expect(await append(lab.engine, keyed)).toEqual([{ ...first, replayed: true }])
    expect(await lab.engine.append({ items: [say('a', 'z', { key: 'k', expires: lab.clock.now() + window })] })).toEqual({
      kind: 'conflict',
      index: 0,
    })
    expect(await lab.engine.getState('s')).toEqual(text('v'))
    lab.clock.advance(window)
    expect(await lab.engine.getState('t')).toBeUndefined()
    expect(await append(lab.engine, keyed)).toMatchObject([{ replayed: false, seq: 3 }])
  })

  it('tells who follows from an older place all that is kept since', async () => {
    const lab = await openLab(row)
    await publish(lab.engine, 'a', '1', '2', '3')
    await lab.reopen()
    await append(lab.engine, drop('b'), say('c', '5'))
    const ear = new Ear(lab.engine, 1)
    await ear.reach(5)
    expect(ear.commits[0]?.from).toBe(1)
    expect(ear.publications.map(textOf)).toEqual(['2', '3', '5'])
    expect(ear.commits.flatMap(({ deletions }) => deletions)).toMatchObject([{ channel: 'b', seq: 4 }])
  })

  it('never takes back what readers were told: what was trimmed or deleted stays so', async () => {
    const lab = await openLab(row, { keep: { publications: 2 } })
    for (let round = 1; round <= 5; round++) {
      await publish(lab.engine, 'a', 'x', 'y', 'z')
      if (round % 2 === 0) await append(lab.engine, drop('a'))
      const told = await lab.engine.facts('a')
      await lab.reopen()
      const now = await lab.engine.facts('a')
      expect(now.trimmed.seq).toBeGreaterThanOrEqual(told.trimmed.seq)
      expect(now).toMatchObject({ deletedAt: told.deletedAt, lastSeq: told.lastSeq, lastOffset: told.lastOffset })
    }
  })
}

function copies(row: EngineRow): void {
  it('of an older day tells cursors of the lost end that histories differ, and where they still were one', async () => {
    const lab = await openLab(row)
    await publish(lab.engine, 'a', '1', '2')
    await lab.engine.close()
    const copy = await mkdtemp(join(tmpdir(), 'fanfare-copy-'))
    onTestFinished(() => rm(copy, { recursive: true, force: true }))
    await cp(lab.directory, copy, { recursive: true, filter: (source) => !source.endsWith('.sock') })
    const original = await lab.another(lab.directory)
    const lost = await append(original, say('a', '3'), say('a', '4'))
    await original.close()
    const restored = await lab.another(copy)
    const own = await append(restored, say('a', 'other 3'), say('a', 'other 4'), say('a', 'other 5'))
    for (const { mark, seq } of lost) expect(await restored.check({ mark, seq })).toMatchObject({ kind: 'diverged' })
    for (const { mark, seq } of own) expect(await restored.check({ mark, seq })).toEqual({ kind: 'same' })
    expect(await restored.check({ mark: await markOf(restored, 2), seq: 2 })).toEqual({ kind: 'same' })
    await restored.close()
  })
}

/** The mark of a place, as `head` says it. */
async function markOf(engine: Engine, seq: number): Promise<string> {
  const { starts } = await engine.head()
  return (starts.findLast(({ first }) => first <= seq) ?? starts[0])?.mark ?? ''
}

async function everything(engine: Engine, channels: readonly string[]) {
  return {
    head: await engine.head(),
    names: await engine.channels('', '', 1000),
    facts: await Promise.all(channels.map((channel) => engine.facts(channel))),
    kept: await Promise.all(channels.map((channel) => kept(engine, channel))),
  }
}
