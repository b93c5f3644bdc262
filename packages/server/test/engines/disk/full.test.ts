import { describe, expect, it } from 'vitest'
import type { Engine } from '../../../src/engines/engine.ts'
import { openSimulated, publicationOf, readChannel, ruleOf, SimulatedDisk, type TestRuntime, testRuntime } from './model.ts'

const everything = [ruleOf('**', {})]

const append = (engine: Engine, channel: string, n: number, length = 2000) =>
  engine.append({ items: [publicationOf(channel, `${n}`.padEnd(length, '.'))] })
const remove = (engine: Engine, channel: string) => engine.append({ items: [{ kind: 'delete', channel }] })

/** Publishes until it is refused; answers how many were taken. */
async function fill(engine: Engine, channel: string, length = 2000): Promise<number> {
  for (let n = 0; n < 1000; n++) {
    try {
      await append(engine, channel, n, length)
    } catch (error) {
      expect(error).toMatchObject({ code: 'storage-full' })
      return n
    }
  }
  throw new Error('it is never full')
}

/** Number of the newest journal. */
const lastJournal = (disk: SimulatedDisk): number =>
  Math.max(...disk.list().map(({ name }) => (name.startsWith('journal-') ? Number(name.slice('journal-'.length)) : 0)))

/** Lets the store's own work go on: turns of the event loop, and the time of its next try. */
async function wait(runtime: TestRuntime, ms: number): Promise<void> {
  runtime.advance(ms)
  for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve))
}

describe('a store that is full', () => {
  it('is not, as long as most of it is not kept any more: that is given back at once', async () => {
    const disk = new SimulatedDisk()
    const engine = await openSimulated(disk, testRuntime(1), [ruleOf('**', { publications: 5 })])
    await append(engine, 'a', 0)
    disk.capacity = 150_000
    for (let n = 1; n <= 400; n++) await append(engine, 'a', n)
    expect((await readChannel(engine, 'a', 0, 401)).length).toBe(5)
    await engine.close()
  })

  it('takes smaller journals where there is no space for a larger one', async () => {
    const disk = new SimulatedDisk()
    const engine = await openSimulated(disk, testRuntime(1), everything, { journalMostBytes: 1_048_576, storageBytes: 400_000 })
    const taken = await fill(engine, 'a')
    // Each takes 4 KiB of a journal and 2 KiB of a segment.
    expect(taken).toBeGreaterThan(75)
    expect(engine.stats().bytes).toBeLessThanOrEqual(400_000)
    await engine.close()
  })

  it('takes deletions to the end, over a restart too, and gives back what they delete without another', async () => {
    const disk = new SimulatedDisk()
    const runtime = testRuntime(1)
    const options = { journalBytes: 131_072, journalMostBytes: 131_072, storageBytes: 600_000 }
    const first = await openSimulated(disk, runtime, everything, options)
    for (let n = 0; n < 40; n++) await append(first, 'gone', n)
    await append(first, 'kept too little to matter', 0)
    await fill(first, 'kept')
    expect(await remove(first, 'kept too little to matter')).toMatchObject({ kind: 'placed' })
    await first.close()
    const engine = await openSimulated(disk, runtime, everything, options)
    await expect(append(engine, 'kept', 0)).rejects.toMatchObject({ code: 'storage-full' })
    // Nobody is refused after this: the commit of the deletion makes it look again.
    await wait(runtime, 1000)
    const { placed } = (await remove(engine, 'gone')) as { readonly placed: readonly { readonly seq: number }[] }
    expect((await engine.facts('gone')).deletedAt).toBe(placed[0]!.seq)
    const before = lastJournal(disk)
    await wait(runtime, 1000)
    expect(lastJournal(disk)).toBeGreaterThan(before)
    expect(await append(engine, 'kept', 0)).toMatchObject({ kind: 'placed' })
    await engine.close()
  })

  it('keeps what is reserved for deletions from those that delete nothing', async () => {
    const disk = new SimulatedDisk()
    const engine = await openSimulated(disk, testRuntime(1), everything, { journalBytes: 131_072, storageBytes: 400_000 })
    await fill(engine, 'a')
    for (let n = 0; n < 100; n++) await expect(remove(engine, `never ${n}`)).rejects.toMatchObject({ code: 'storage-full' })
    expect(await remove(engine, 'a')).toMatchObject({ kind: 'placed' })
    await expect(remove(engine, 'a')).rejects.toMatchObject({ code: 'storage-full' })
    await engine.close()
  })

  it('is emptied by deleting one channel after the other, though each is a small part of every segment', async () => {
    const disk = new SimulatedDisk()
    const runtime = testRuntime(1)
    const options = { journalBytes: 131_072, journalMostBytes: 131_072, storageBytes: 1_500_000 }
    const engine = await openSimulated(disk, runtime, everything, options)
    const names = Array.from({ length: 40 }, (_, n) => `channel ${n}`)
    for (let full = false, n = 0; !full; n++)
      full = await append(engine, names[n % 40]!, n).then(
        () => false,
        () => true,
      )
    for (const name of names) {
      await remove(engine, name).catch(async () => {
        await wait(runtime, 1000)
        await wait(runtime, 1000)
        await remove(engine, name)
      })
    }
    await wait(runtime, 1000)
    expect(await append(engine, 'b', 0)).toMatchObject({ kind: 'placed' })
    await engine.close()
  })

  it('looks again by itself once a second while somebody is refused, and no longer', async () => {
    const disk = new SimulatedDisk()
    const runtime = testRuntime(1)
    const told: string[] = []
    const engine = await openSimulated(disk, runtime, everything, { onTrouble: ({ message }) => told.push(message) })
    await append(engine, 'a', 0)
    disk.capacity = 90_000
    await fill(engine, 'a')
    const before = lastJournal(disk)
    disk.capacity = Infinity
    await wait(runtime, 1000)
    expect(lastJournal(disk)).toBeGreaterThan(before)
    expect(told).toEqual([expect.stringContaining('do not fit')])
    expect(await append(engine, 'a', 0)).toMatchObject({ kind: 'placed' })
    await engine.close()
  })
})

describe('a start on a full disk', () => {
  async function fullDisk(): Promise<SimulatedDisk> {
    const disk = new SimulatedDisk()
    const engine = await openSimulated(disk, testRuntime(1), everything)
    for (let n = 0; n < 30; n++) await append(engine, 'a', n)
    await engine.close()
    disk.capacity = disk.list().reduce((sum, { size }) => sum + size, 0)
    return disk
  }

  it('starts and reads, again and again; what has no room is refused', async () => {
    const disk = await fullDisk()
    for (let start = 2; start < 5; start++) {
      const engine = await openSimulated(disk, testRuntime(start), everything)
      const { seq } = await engine.head()
      expect((await readChannel(engine, 'a', 0, seq)).length).toBe(seq)
      await fill(engine, 'a')
      await engine.close()
    }
  })

  it('says directory and remedy where it can not', async () => {
    const disk = await fullDisk()
    disk.remove('reserve')
    disk.capacity -= 65_536
    await expect(openSimulated(disk, testRuntime(2), everything)).rejects.toMatchObject({
      code: 'storage-full',
      message: expect.stringMatching(/\/nowhere can not start: the disk is full .*Make 1 MiB of space/) as unknown,
    })
  })
})
