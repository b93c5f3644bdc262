import { existsSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { JournalWriter } from '../../../src/engines/disk/commit-lane.ts'
import { nodeFiles } from '../../../src/engines/disk/files.ts'
import { workerReaderLane } from '../../../src/engines/disk/reader-lane.ts'

const directory = mkdtempSync(join(tmpdir(), 'fanfare-lanes-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

describe('the thread that reads', () => {
  it('is not started to close what it never opened', async () => {
    const lane = workerReaderLane(directory)
    expect(await lane.ask({ kind: 'release', file: 'journal-1' })).toBe(undefined)
    expect(lane.started).toBe(false)
    await lane.close()
  })

  it('closes what may be open once it runs, and can be started before its first question', async () => {
    const lane = workerReaderLane(directory)
    lane.start()
    lane.start()
    expect(lane.started).toBe(true)
    expect(await lane.ask({ kind: 'release', file: 'journal-1' })).toBe(undefined)
    await lane.close()
    await expect(lane.ask({ kind: 'release', file: 'journal-1' })).rejects.toThrow('the store is closed')
  })
})

describe('what writes frames', () => {
  it.skipIf(!existsSync('/proc/self/fd'))(
    'closes a journal with the first frame in the next one, so that its space is free once it is removed (needs /proc)',
    () => {
      const opened = (): readonly string[] =>
        readdirSync('/proc/self/fd').flatMap((fd) => {
          // The one that lists them has gone by now.
          const path = existsSync(`/proc/self/fd/${fd}`) ? readlinkSync(`/proc/self/fd/${fd}`) : ''
          return path.startsWith(join(directory, 'journal-')) ? [path.slice(directory.length + 1)] : []
        })
      const writer = new JournalWriter(nodeFiles(directory))
      writer.write(new Uint8Array(10), 1, 0)
      expect(opened()).toEqual(['journal-1'])
      writer.write(new Uint8Array(10), 2, 0)
      writer.write(new Uint8Array(10), 2, 10)
      expect(opened()).toEqual(['journal-2'])
      writer.close()
      writer.close()
      expect(opened()).toEqual([])
    },
  )
})
