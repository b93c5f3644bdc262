import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { createServer } from '@fanfare/server'
import type { FanfareServer } from '@fanfare/server'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { temporaryDirectory } from './support/io.ts'

const readme = readFileSync(fileURLToPath(new URL('../../../README.md', import.meta.url)), 'utf8')
const bin = fileURLToPath(new URL('../bin/fanfare.mjs', import.meta.url))
const embedding = readFileSync(fileURLToPath(new URL('../../../docs/guide/embed.md', import.meta.url)), 'utf8')

// Where there is none, `npm test` says that these lines were left out.
const hasCurl = spawnSync('curl', ['--version']).status === 0

/** The lines of its shell blocks, as they are printed. */
const commands = [...readme.matchAll(/```sh\n([^`]*)```/g)]
  .flatMap(([, block]) => (block ?? '').split('\n'))
  .map((line) => line.replace(/ {2,}#.*$/, ''))
  .filter((line) => line !== '' && (hasCurl || !line.startsWith('curl')))

let server: FanfareServer
let address: string
let directory: ReturnType<typeof temporaryDirectory>
let running: ChildProcess | undefined

beforeEach(async () => {
  directory = temporaryDirectory()
  server = await createServer({ engine: 'memory', listen: '127.0.0.1:0', rules: [{ match: '**', keep: { publications: 200_000 } }] })
  address = await server.listen()
})
afterEach(async () => {
  if (running?.pid !== undefined && running.exitCode === null && running.signalCode === null) {
    process.kill(-running.pid, 'SIGKILL')
    await once(running, 'close')
  }
  await server.close()
  directory.remove()
})

/** Runs a line in a shell, with this server in place of the one on port 8000, the built command for npx, and a clock for vmstat. */
function shell(line: string): { output: () => string; ended: Promise<number | null> } {
  const here = line
    .replaceAll('http://127.0.0.1:8000', address)
    .replaceAll('npx fanfare', `"${process.execPath}" "${bin}"`)
    .replace('vmstat 1', '(while date; do sleep 1; done)')
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith('FANFARE_') || name === 'FANFARE_TEST_RUN'),
  )
  running = spawn('sh', ['-c', here], {
    cwd: directory.path,
    env: { ...env, FANFARE_URL: address },
    stdio: ['ignore', 'pipe', 'ignore'],
    detached: true,
  })
  let output = ''
  running.stdout?.on('data', (part: Buffer) => (output += part.toString()))
  const ended = once(running, 'close').then(([code]) => code as number | null)
  return { output: () => output, ended }
}

const startsServer = (line: string): boolean => line === 'npm start'
const receives = (line: string): boolean => /-N|subscribe|wait=/.test(line)
const endless = (line: string): boolean => line.startsWith('vmstat')

describe('the README', () => {
  it('begins with the start, and shows every way in and out', () => {
    expect(commands[0]).toBe('npm start')
    expect(commands.filter(receives).length).toBeGreaterThanOrEqual(hasCurl ? 4 : 2)
    expect(commands.filter((line) => !receives(line) && !startsServer(line) && !endless(line)).length).toBeGreaterThanOrEqual(
      hasCurl ? 4 : 2,
    )
  })

  it.each(commands.filter((line) => !receives(line) && !startsServer(line) && !endless(line)))('is right about %s', async (line) => {
    await server.publish('news', 'hello')
    const { output, ended } = shell(line)
    expect(await ended).toBe(0)
    expect(output()).toMatch(/"cursor":"|^published (?:1|100000) to /)
  })

  it.each(commands.filter(receives))('receives with %s', async (line) => {
    const channel = line.includes('system/vmstat') ? 'system/vmstat' : 'news'
    await server.publish(channel, 'hello')
    const { output } = shell(line)
    // What begins with the newest hears of this one; what begins earlier has had the first.
    await expect
      .poll(
        async () => {
          if (!output().includes('hello')) await server.publish(channel, 'hello again')
          return output()
        },
        { timeout: 10_000, interval: 250 },
      )
      .toContain('hello')
  })

  it.each(commands.filter(endless))('pushes at once with %s', async (line) => {
    shell(line)
    await expect.poll(async () => (await server.node.facts('system/vmstat')).lastOffset, { timeout: 10_000 }).toBeGreaterThanOrEqual(2)
  })
})

describe('the guide to embedding', () => {
  const programs = [...embedding.matchAll(/```js\n([^`]*(?:`[^`]+`[^`]*)*)```/g)].map(([, program]) => program ?? '')

  it('has a program of its own and one for a server that is there', () => {
    expect(programs.map((program) => /server\.(?:listen|attach)\(/.exec(program)?.[0])).toEqual(['server.listen(', 'server.attach('])
  })

  it.each(programs)('runs, and ends by itself: program %#', { timeout: 20_000 }, async (program) => {
    const here = fileURLToPath(new URL('..', import.meta.url))
    running = spawn(process.execPath, ['--input-type=module', '-e', program], { cwd: here, detached: true })
    let printed = ''
    running.stdout?.on('data', (part: Buffer) => (printed += part.toString()))
    running.stderr?.on('data', (part: Buffer) => (printed += part.toString()))
    const [code] = (await once(running, 'close')) as [number | null]
    expect([code, printed]).toEqual([0, program.includes('console.log') ? expect.stringContaining('"data":{"price":191.2}') : ''])
  })
})
