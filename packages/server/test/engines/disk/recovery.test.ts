import { FanfareError } from '@fanfare/wire'
import { describe, expect, it } from 'vitest'
import { newBlock } from '../../../src/engines/disk/crc.ts'
import { kinds, recordIsWhole, sealFrame, sealRecord, type SyncedPlace } from '../../../src/engines/disk/format.ts'
import { FrameWriter } from '../../../src/engines/disk/frame-writer.ts'
import { journalBegin, prepareJournal } from '../../../src/engines/disk/journal.ts'
import { type JournalRow, journalName } from '../../../src/engines/disk/manifest.ts'
import { recoverJournals } from '../../../src/engines/disk/recovery.ts'
import { chanceOf, openSimulated, publicationOf, readChannel, ruleOf, SimulatedDisk, testRuntime } from './model.ts'

const rows: readonly JournalRow[] = [1, 2].map((number) => ({ number, generation: number, nonce: 1000 + number, size: 24_576 }))

interface Given {
  readonly journal?: number
  readonly place: number
  readonly seq: number
  readonly count?: number
  readonly start?: number
  readonly synced?: SyncedPlace
  readonly generation?: number
  readonly nonce?: number
  readonly size?: number
}

/** A disk with two journals, and the frames that are given. */
function diskWith(...frames: readonly Given[]): SimulatedDisk {
  const disk = new SimulatedDisk()
  for (const row of rows) prepareJournal(disk, row, undefined)
  for (const frame of frames) writeFrame(disk, frame)
  return disk
}

function writeFrame(
  disk: SimulatedDisk,
  {
    journal = 1,
    place,
    seq,
    count = 1,
    start = 1,
    synced = { generation: 0, place: 0 },
    generation = journal,
    nonce = 1000 + journal,
    size = 10,
  }: Given,
): void {
  const writer = new FrameWriter(newBlock(16_384))
  for (let n = 0; n < count; n++) writer.publication(1, seq + n, seq + n, 5, 0, { data: new Uint8Array(size).fill(65), format: 'text' })
  sealFrame(writer.block, 0, { nonce, length: writer.at, generation, start, records: count, firstSeq: seq, synced, time: 5 })
  const file = disk.open(journalName(journal))
  file.write(writer.block.bytes.subarray(0, writer.at), place)
  file.sync()
}

const first = { place: journalBegin, seq: 1, count: 2 }
const second = { place: 8192, seq: 3, synced: { generation: 1, place: 8192 } }
const third = { place: 12_288, seq: 4, synced: { generation: 1, place: 12_288 } }

describe('recovery', () => {
  it('reads what follows, over journals', () => {
    const recovered = recoverJournals(
      diskWith(first, second, { journal: 2, place: journalBegin, seq: 4, synced: { generation: 1, place: 12_288 } }),
      rows,
      0,
    )
    expect(recovered).toMatchObject({ head: 4, synced: { generation: 1, place: 12_288 } })
    expect(recovered.journals.map(({ end, before }) => [end, before])).toEqual([
      [12_288, 0],
      [8192, 3],
    ])
  })

  it('stops at a frame of another generation, another secret, a lower start, or a seq that does not follow', () => {
    for (const wrong of [{ generation: 9 }, { nonce: 7 }, { start: 0 }, { seq: 4 }]) {
      expect(recoverJournals(diskWith(first, { ...second, ...wrong }), rows, 0).head).toBe(2)
    }
  })

  it('cuts a torn tail', () => {
    const disk = diskWith(first, { ...second, size: 9000 })
    disk.flip(journalName(1), 8192 + 5000)
    expect(recoverJournals(disk, rows, 0)).toMatchObject({ head: 2 })
  })

  it('refuses where a later frame proves that what it can not read was synced, in the same journal and in the next', () => {
    const disk = diskWith(first, second, third)
    disk.flip(journalName(1), 8192 + 60)
    expect(() => recoverJournals(disk, rows, 0)).toThrow(/journal-1 at byte 8192: .*--repair/s)
    const over = diskWith(first, second, { journal: 2, place: journalBegin, seq: 4, synced: { generation: 1, place: 12_288 } })
    over.flip(journalName(1), 8192 + 60)
    expect(() => recoverJournals(over, rows, 0)).toThrow(/journal-1 at byte 8192/)
  })

  it('takes 100,000 changed journals without an exception of its own, or a hang', () => {
    const chance = chanceOf(11)
    const original = diskWith(
      first,
      second,
      third,
      { place: 16_384, seq: 5, count: 3, size: 700, synced: { generation: 1, place: 16_384 } },
      { journal: 2, place: journalBegin, seq: 8, synced: { generation: 1, place: 20_480 } },
    )
    const files = original.kill()
    const bytes = files.contents(journalName(1))!
    const heads = new Set<number>()
    let refused = 0
    const begin = performance.now()
    for (let n = 0; n < 100_000; n++) {
      const undo: [number, number][] = []
      for (let k = 1 + chance(4); k > 0; k--) {
        const place = chance(2) === 0 ? journalBegin * (1 + chance(4)) + chance(120) : chance(bytes.length - 64) + 64
        undo.push([place, bytes[place]!])
        bytes[place] = chance(3) === 0 ? 255 : chance(256)
      }
      try {
        heads.add(recoverJournals(files, rows, 0).head)
      } catch (error) {
        if (!(error instanceof FanfareError)) throw error
        refused++
      }
      for (const [place, value] of undo.reverse()) bytes[place] = value
    }
    expect(refused).toBeGreaterThan(10_000)
    expect(heads).toContain(8)
    expect(performance.now() - begin).toBeLessThan(60_000)
  })

  it('looks at a record before it believes its lengths', () => {
    const chance = chanceOf(5)
    const block = newBlock(512)
    sealRecord(block, 0, 150, { channel: 1, kind: kinds.publication, flags: 0, extras: 0, offset: 1, seq: 1, time: 1, bytes: 0 })
    expect(recordIsWhole(block, 0, 512)).toBe(true)
    for (let n = 0; n < 20_000; n++) {
      const at = chance(150)
      const before = block.bytes[at]!
      block.bytes[at] = before ^ (1 << chance(8))
      expect(recordIsWhole(block, 0, 512)).toBe(false)
      block.bytes[at] = before
    }
  })
})

describe('a damaged store', () => {
  const rules = [ruleOf('**', {})]

  async function damagedDisk(): Promise<{ readonly disk: SimulatedDisk; readonly mark: string; readonly sealed: string }> {
    const disk = new SimulatedDisk()
    const engine = await openSimulated(disk, testRuntime(1), rules)
    let mark = ''
    for (let n = 0; n < 60; n++) {
      const answer = await engine.append({ items: [publicationOf(`c${n % 3}`, `${n}`.padEnd(300, '.'))] })
      mark = answer.kind === 'placed' ? answer.placed[0]!.mark : ''
    }
    await engine.close()
    const sealed = disk.list().find(({ name }) => name.startsWith('segment-'))!.name
    return { disk, mark, sealed }
  }

  it('is refused, with the file, the place and the way out; repaired, it goes on and tells cursors of the lost end', async () => {
    const { disk, mark } = await damagedDisk()
    const manifest = JSON.parse(new TextDecoder().decode(disk.contents('manifest')).split('\n')[0]!) as { journals: JournalRow[] }
    const last = journalName(manifest.journals[0]!.number)
    disk.flip(last, journalBegin + 50)
    await expect(openSimulated(disk, testRuntime(2), rules)).rejects.toMatchObject({
      code: 'storage-failed',
      message: expect.stringMatching(/journal-\d+ at byte 4096.*--repair/s) as unknown,
    })
    const engine = await openSimulated(disk, testRuntime(2), rules, { repair: true })
    const { seq } = await engine.head()
    expect(seq).toBeLessThan(60)
    expect(disk.list().some(({ name }) => name.startsWith('damaged-'))).toBe(true)
    expect(await engine.check({ mark, seq: 60 })).toEqual({ kind: 'diverged', common: seq })
    await engine.append({ items: [publicationOf('c0', 'goes on')] })
    expect((await readChannel(engine, 'c0', 0, seq + 1)).at(-1)).toMatchObject({ seq: seq + 1, data: 'goes on' })
    await engine.close()
    await (await openSimulated(disk, testRuntime(3), rules)).close()
  })

  it('without one of its segments is refused; repaired, what it held counts as trimmed', async () => {
    const { disk, sealed } = await damagedDisk()
    disk.remove(sealed)
    await expect(openSimulated(disk, testRuntime(2), rules)).rejects.toThrow(new RegExp(`${sealed} at byte 0`))
    const engine = await openSimulated(disk, testRuntime(2), rules, { repair: true })
    const facts = await engine.facts('c0')
    const kept = await readChannel(engine, 'c0', 0, 60)
    expect(kept.length).toBe(facts.count)
    expect(facts.lastOffset - facts.count).toBe(facts.trimmed.offset)
    expect(facts.trimmed.seq).toBeLessThan(kept[0]!.seq)
    await engine.close()
  })

  it('without its manifest is refused, and nothing of it is removed', async () => {
    const { disk } = await damagedDisk()
    disk.remove('manifest')
    const before = disk.list()
    await expect(openSimulated(disk, testRuntime(2), rules)).rejects.toThrow(/manifest at byte 0/)
    expect(disk.list()).toEqual(before)
  })

  it('that is young, without its manifest, is refused, and nothing of it is lost; repaired, its files are kept aside', async () => {
    const disk = new SimulatedDisk()
    const engine = await openSimulated(disk, testRuntime(1), rules)
    await engine.append({ items: [publicationOf('a', 'answered')] })
    await engine.close()
    disk.remove('manifest')
    const before = disk.contents('journal-1')!.slice()
    await expect(openSimulated(disk, testRuntime(2), rules)).rejects.toThrow(/manifest at byte 0: it is missing, and journal-1 is there/)
    expect(disk.contents('journal-1')).toEqual(before)
    await (await openSimulated(disk, testRuntime(2), rules, { repair: true })).close()
    expect(disk.contents('damaged-1-journal-1')).toEqual(before)
  })

  it('begins anew over the first journal that a crash at the very first start left, empty or with its head', async () => {
    for (const synced of [0, 1, 5]) {
      const disk = new SimulatedDisk()
      prepareJournal(disk, { number: 1, generation: 1, nonce: 7, size: 4096 * synced }, undefined)
      await (await openSimulated(disk, testRuntime(1), rules)).close()
    }
  })
})

describe("a file that is not the store's", () => {
  const rules = [ruleOf('**', {})]
  const diary = new TextEncoder().encode('my precious diary, whose name looks like a file of a store. '.repeat(3))

  function put(disk: SimulatedDisk, name: string): void {
    const file = disk.open(name)
    file.write(diary, 0)
    file.sync()
  }

  it.each(['journal-1', 'journal-7', 'segment-3', 'names-0'])('is never written over or removed by a new store (%s)', async (name) => {
    const disk = new SimulatedDisk()
    put(disk, name)
    await expect(openSimulated(disk, testRuntime(1), rules)).rejects.toThrow(new RegExp(`${name} is there.*a directory of its own`))
    expect(disk.contents(name)).toEqual(diary)
  })

  it.each(['journal-7', 'journal-2', 'segment-3', 'names-99'])(
    'is never written over or removed by a store that is there (%s)',
    async (name) => {
      const disk = new SimulatedDisk()
      await (await openSimulated(disk, testRuntime(1), rules)).close()
      put(disk, name)
      await expect(openSimulated(disk, testRuntime(2), rules)).rejects.toThrow(new RegExp(`${name} at byte 0.*Move it elsewhere`))
      expect(disk.contents(name)).toEqual(diary)
      await (await openSimulated(disk, testRuntime(2), rules, { repair: true })).close()
      expect(disk.contents(`damaged-1-${name}`)).toEqual(diary)
    },
  )
})
