import { ManualClock } from '@fanfare/conformance'
import { defaultKeep, limits } from '@fanfare/wire'
import type { Limits, Runtime } from '@fanfare/wire'
import { describe, expect, it } from 'vitest'
import type { AppendAnswer, Commit, Placed } from '../../src/engines/engine.ts'
import { openMemoryEngine } from '../../src/engines/memory-engine.ts'
import { systemRuntime } from '../../src/runtime.ts'

const open = (changed: Partial<Limits> = {}, runtime: Runtime = systemRuntime) =>
  openMemoryEngine({
    runtime,
    rules: [{ match: '**', keep: defaultKeep, payloadBytes: 1024, public: false }],
    limits: { ...limits, ...changed },
  })
const say = (channel: string, text: string) => ({
  kind: 'publication' as const,
  channel,
  message: { data: new TextEncoder().encode(text), format: 'text' as const },
})
const placedOf = (answer: AppendAnswer): readonly Placed[] => (answer.kind === 'placed' ? answer.placed : [])

describe('the memory engine', () => {
  it('joins the appends of one turn into one commit', async () => {
    const engine = await open()
    const commits: Commit[] = []
    engine.follow(0, (commit) => commits.push(commit))
    await Promise.all(['a', 'b', 'c'].map((text) => engine.append({ items: [say('news', text)] })))
    expect(commits.map(({ from, through, publications }) => [from, through, publications.length])).toEqual([[0, 3, 3]])
    await engine.close()
  })

  it('is another store at each opening', async () => {
    const [first, second] = [await open(), await open()]
    const { starts } = await first.head()
    expect(await first.check({ mark: starts[0]?.mark ?? '', seq: 0 })).toEqual({ kind: 'same' })
    expect(await second.check({ mark: starts[0]?.mark ?? '', seq: 0 })).toEqual({ kind: 'new-log' })
    await Promise.all([first.close(), second.close()])
  })

  it('commits or refuses what it had accepted when it is closed', async () => {
    const engine = await open({}, { ...systemRuntime, soon: () => {} })
    const accepted = engine.append({ items: [say('news', 'last')] })
    await engine.close()
    expect(placedOf(await accepted)).toMatchObject([{ channel: 'news', offset: 1, seq: 1 }])
    await expect(engine.append({ items: [say('news', 'later')] })).rejects.toMatchObject({ code: 'storage-failed' })
    await expect(engine.read('news', 0, 1)).rejects.toMatchObject({ code: 'storage-failed' })
  })

  it('keeps no hold on the buffer that a payload was a part of', async () => {
    const engine = await open()
    const pool = new TextEncoder().encode(`${'x'.repeat(1000)}payload`)
    await engine.append({ items: [{ kind: 'publication', channel: 'news', message: { data: pool.subarray(1000), format: 'text' } }] })
    pool.fill(0)
    const [kept] = (await engine.read('news', 0, 1)).publications
    expect(new TextDecoder().decode(kept?.data)).toBe('payload')
    expect(kept?.data.buffer.byteLength).toBe(7)
    await engine.close()
  })

  it('has room again for publications when others were deleted', async () => {
    const engine = await open({ memoryStoreBytes: 2000 })
    const fill = async (): Promise<number> => {
      for (let count = 0; ; count++) {
        try {
          await engine.append({ items: [say('news', 'x'.repeat(100))] })
        } catch {
          return count
        }
      }
    }
    const first = await fill()
    expect(first).toBeGreaterThan(2)
    await engine.append({ items: [{ kind: 'delete', channel: 'news' }] })
    expect(await fill()).toBe(first)
    await engine.close()
  })

  it('trims nothing by age because somebody has set the clock, until the clock stays so', async () => {
    const clock = new ManualClock()
    const rules = [{ match: '**', keep: { publications: null, ageMs: 60_000, bytes: null }, payloadBytes: 1024, public: false }]
    const engine = await openMemoryEngine({ runtime: clock, rules, limits })
    await engine.append({ items: [say('news', 'x')] })
    clock.jump(3_600_000)
    await engine.append({ items: [say('news', 'y')] })
    clock.advance(1000)
    expect((await engine.facts('news')).count).toBe(2)
    clock.jump(-3_600_000)
    clock.advance(3000)
    expect((await engine.facts('news')).count).toBe(2)
    clock.jump(3_600_000)
    clock.advance(3000)
    expect((await engine.facts('news')).count).toBe(1)
    await engine.close()
  })

  it('refuses rules of which the last does not match every channel', async () => {
    const keep = { publications: 1, ageMs: null, bytes: null }
    await expect(
      openMemoryEngine({ runtime: systemRuntime, rules: [{ match: 'a/*', keep, payloadBytes: 1, public: false }], limits }),
    ).rejects.toThrow(RangeError)
  })
})
