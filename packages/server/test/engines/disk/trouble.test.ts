import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { limits } from '@fanfare/wire'
import { afterEach, describe, expect, it } from 'vitest'
import { openDiskEngine } from '../../../src/engines/disk/disk-engine.ts'
import { TrustedClock } from '../../../src/engines/disk/trusted-clock.ts'
import { systemRuntime } from '../../../src/runtime.ts'
import { openSimulated, publicationOf, readChannel, ruleOf, SimulatedDisk, testRuntime } from './model.ts'

const rules = [ruleOf('**', { publications: 5 })]
const everything = [ruleOf('**', {})]
const directories: string[] = []

afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true })
})

const append = (engine: Awaited<ReturnType<typeof openSimulated>>, data: string) => engine.append({ items: [publicationOf('a', data)] })

/** Publishes until it is refused; answers with the refusal. */
async function fill(engine: Awaited<ReturnType<typeof openSimulated>>): Promise<unknown> {
  for (let n = 0; n < 1000; n++) {
    try {
      await append(engine, `${n}`.padEnd(2000, '.'))
    } catch (error) {
      return error
    }
  }
  return undefined
}

describe('a full disk', () => {
  it('refuses with 507, lets reads go on, and takes more by itself when there is space again', async () => {
    const disk = new SimulatedDisk()
    const runtime = testRuntime(1)
    const engine = await openSimulated(disk, runtime, everything)
    await append(engine, 'first')
    disk.capacity = 90_000
    const refused = await fill(engine)
    expect(refused).toMatchObject({ code: 'storage-full', status: 507 })
    const { seq } = await engine.head()
    expect((await readChannel(engine, 'a', 0, seq)).length).toBe(seq)
    expect(engine.stats().failed).toBe(false)
    disk.capacity = Infinity
    await expect(append(engine, 'at once')).rejects.toMatchObject({ code: 'storage-full' })
    runtime.advance(1000)
    expect(await append(engine, 'again')).toMatchObject({ placed: [{ seq: seq + 1 }] })
    await engine.close()
    const after = await openSimulated(disk, testRuntime(2), everything)
    expect((await readChannel(after, 'a', 0, seq + 1)).at(-1)).toMatchObject({ data: 'again', seq: seq + 1 })
    await after.close()
  })

  it('counts the limit of the store', async () => {
    const engine = await openSimulated(new SimulatedDisk(), testRuntime(1), everything, { storageBytes: 100_000 })
    const refused = await fill(engine)
    expect(refused).toMatchObject({ code: 'storage-full' })
    expect(engine.stats().bytes).toBeLessThanOrEqual(130_000)
    await engine.close()
  })
})

describe('a failed sync', () => {
  it('ends acknowledging until a restart, which serves only what it has written again', async () => {
    const disk = new SimulatedDisk()
    const engine = await openSimulated(disk, testRuntime(1), rules)
    await append(engine, 'one')
    disk.failSync = /^journal/
    await expect(append(engine, 'two')).rejects.toMatchObject({ code: 'storage-failed', status: 503 })
    await expect(append(engine, 'three')).rejects.toMatchObject({ code: 'storage-failed' })
    expect(engine.stats().failed).toBe(true)
    expect((await readChannel(engine, 'a', 0, 1)).map(({ data }) => data)).toEqual(['one'])
    await engine.close()
    const again = await openSimulated(disk.kill(), testRuntime(2), rules)
    const { seq } = await again.head()
    expect(seq).toBeGreaterThanOrEqual(1)
    expect(await append(again, 'four')).toMatchObject({ placed: [{ seq: seq + 1, offset: seq + 1 }] })
    await again.close()
  })
})

describe('a failed sync at which nobody waits', () => {
  it('is told to the operator at once', async () => {
    const disk = new SimulatedDisk()
    const runtime = testRuntime(1)
    const told: Error[] = []
    const engine = await openSimulated(disk, runtime, rules, { onTrouble: (error) => told.push(error) })
    await append(engine, 'one')
    disk.failSync = /^journal/
    // The closing frame.
    runtime.advance(1000)
    await expect.poll(() => told.length).toBe(1)
    expect(told[0]).toMatchObject({ code: 'storage-failed', message: expect.stringContaining('until a restart') as unknown })
    expect(engine.stats().failed).toBe(true)
    await engine.close()
  })
})

describe('a segment with a damaged record', () => {
  it('is told to the operator once, to readers without places, and is left out of merging, which goes on', async () => {
    const disk = new SimulatedDisk()
    const told: string[] = []
    const engine = await openSimulated(disk, testRuntime(1), everything, { onTrouble: ({ message }) => told.push(message) })
    const segments = () => disk.list().filter(({ name }) => name.startsWith('segment-'))
    for (let n = 0; segments().length === 0; n++) await append(engine, `${n}`.padEnd(2000, '.'))
    const [{ name } = { name: '' }] = segments()
    disk.flip(name, 64 + 100)
    const { seq } = await engine.head()
    for (let n = 0; n < 3; n++) {
      const refused: unknown = await engine.read('a', 0, seq).catch((error: unknown) => error)
      expect(refused).toMatchObject({ code: 'internal', extra: {} })
      expect((refused as Error).message).not.toContain('segment')
    }
    expect(told).toEqual([expect.stringContaining(`${name} at byte 64: a record can not be read`)])
    for (let n = 0; n < 600; n++) await append(engine, `${n}`.padEnd(2000, '.'))
    await expect.poll(() => segments().length).toBeLessThan(20)
    expect(segments().map((segment) => segment.name)).toContain(name)
    expect(told.length).toBe(2)
    await engine.close()
  })
})

describe('a directory', () => {
  const open = (directory: string) => openDiskEngine({ runtime: systemRuntime, limits, rules, directory })

  it('belongs to one process, and the second is told which', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'fanfare-owner-'))
    directories.push(directory)
    const engine = await open(directory)
    await expect(open(directory)).rejects.toMatchObject({
      code: 'storage-failed',
      message: expect.stringContaining(`process ${process.pid}`) as unknown,
    })
    await engine.close()
    await (await open(directory)).close()
  })

  it('that is a file is refused, and said which', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'fanfare-owner-'))
    directories.push(directory)
    const file = join(directory, 'afile')
    writeFileSync(file, 'not a directory')
    await expect(open(file)).rejects.toMatchObject({
      code: 'storage-failed',
      message: expect.stringContaining(`The store in ${file}`) as unknown,
    })
  })

  it('has one owner at most, however many come at once', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'fanfare-owner-'))
    directories.push(directory)
    const tried = await Promise.allSettled(Array.from({ length: 6 }, () => open(directory)))
    const owners = tried.filter((answer) => answer.status === 'fulfilled')
    expect(owners.length).toBe(1)
    await owners[0]!.value.close()
  })

  it('may have a long path', async () => {
    const root = mkdtempSync(join(tmpdir(), 'fanfare-owner-'))
    directories.push(root)
    const directory = join(root, 'x'.repeat(120), 'y'.repeat(120))
    mkdirSync(directory, { recursive: true })
    const engine = await open(directory)
    await expect(open(directory)).rejects.toMatchObject({ extra: { pid: process.pid } })
    await engine.close()
  })

  it('is free after kill -9, with all that was answered in it', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'fanfare-owner-'))
    directories.push(directory)
    const script = join(directory, '..', `${directory.split('/').at(-1)}.mjs`)
    directories.push(script)
    const built = fileURLToPath(new URL('../../../dist/', import.meta.url))
    writeFileSync(script, childScript(built, directory))
    const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] })
    let answered = 0
    child.stdout.on('data', (chunk: Buffer) => {
      answered = Math.max(answered, ...chunk.toString().trim().split('\n').map(Number))
      if (answered > 200) child.kill('SIGKILL')
    })
    await once(child, 'exit')
    expect(existsSync(directory)).toBe(true)
    const engine = await openDiskEngine({ runtime: systemRuntime, limits, rules: [ruleOf('**', {})], directory })
    const { seq } = await engine.head()
    expect(seq).toBeGreaterThanOrEqual(answered)
    expect((await readChannel(engine, 'a', 0, seq)).map(({ data }) => data)).toEqual(Array.from({ length: seq }, (_, n) => `${n + 1}`))
    await engine.close()
  })
})

const childScript = (built: string, directory: string): string => `
import { openDiskEngine } from ${JSON.stringify(`${built}engines/disk/disk-engine.js`)}
import { systemRuntime } from ${JSON.stringify(`${built}runtime.js`)}
const keep = { publications: null, ageMs: null, bytes: null }
const engine = await openDiskEngine({ runtime: systemRuntime, limits: { commitWaitingBytes: 1e8, channels: 100, idempotencyKeys: 10, channelForgetMs: 1e12 }, rules: [{ match: '**', keep, payloadBytes: 1000, public: false }], directory: ${JSON.stringify(directory)}, journalBytes: 65536, journalMostBytes: 65536 })
for (let n = 1; ; n++) {
  const { placed } = await engine.append({ items: [{ kind: 'publication', channel: 'a', message: { data: new TextEncoder().encode(String(n)), format: 'text' } }] })
  process.stdout.write(placed[0].seq + '\\n')
}
`

describe('time for retention', () => {
  it('goes with the clock, but not with a jump before it has stood for five minutes, and never back', () => {
    const runtime = testRuntime(1)
    const clock = new TrustedClock(runtime)
    const begin = clock.now()
    runtime.advance(60_000)
    expect(clock.now() - begin).toBe(60_000)
    runtime.jump(3_600_000)
    expect(clock.now() - begin).toBe(60_000)
    runtime.advance(200_000)
    expect(clock.now() - begin).toBe(260_000)
    runtime.advance(200_000)
    expect(clock.now() - begin).toBe(4_060_000)
    runtime.jump(-3_600_000)
    expect(clock.now() - begin).toBe(4_060_000)
  })
})
