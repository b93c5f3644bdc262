import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
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
