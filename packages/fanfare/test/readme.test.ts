import { fileURLToPath } from 'node:url'
import { createServer } from '@fanfare/server'
import type { FanfareServer } from '@fanfare/server'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { blocksOf, onPath, openTerminal, readDocument } from './support/document.ts'
import type { Terminal } from './support/document.ts'
import { temporaryDirectory } from './support/io.ts'

// Where there is none, `npm test` says that these lines were left out.
const hasCurl = onPath('curl')

/** The lines of its shell blocks, as they are printed. */
const commands = blocksOf(readDocument('README.md'))
  .filter(({ language }) => language === 'sh')
  .flatMap(({ text }) => text.split('\n'))
  .map((line) => line.replace(/ {2,}#.*$/, ''))
  .filter((line) => line !== '' && (hasCurl || !line.startsWith('curl')))

let server: FanfareServer
let directory: ReturnType<typeof temporaryDirectory>
let terminal: Terminal

beforeEach(async () => {
  directory = temporaryDirectory()
  server = await createServer({ engine: 'memory', listen: '127.0.0.1:0', rules: [{ match: '**', keep: { publications: 200_000 } }] })
  terminal = openTerminal(directory.path, await server.listen())
})
afterEach(async () => {
  await terminal.close()
  await server.close()
  directory.remove()
})

/** Runs a line in a shell, with a clock for vmstat. */
const shell = (line: string): ReturnType<Terminal['run']> => terminal.run('sh', line.replace('vmstat 1', '(while date; do sleep 1; done)'))

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
  const programs = blocksOf(readDocument('docs/guide/embed.md'))
    .filter(({ language, mark }) => language === 'js' && mark === '')
    .map(({ text }) => text)

  it('has a program of its own and one for a server that is there', () => {
    expect(programs.map((program) => /server\.(?:listen|attach)\(/.exec(program)?.[0])).toEqual(['server.listen(', 'server.attach('])
  })

  it.each(programs)('runs, and ends by itself: program %#', { timeout: 20_000 }, async (program) => {
    const own = openTerminal(fileURLToPath(new URL('..', import.meta.url)), 'http://127.0.0.1:8000')
    const { output, errors, ended } = own.run('js', program)
    const code = await ended
    await own.close()
    const printed = output() + errors()
    const told = program.includes('price') ? '"data":{"price":191.2}' : '"data":{"path":"/hello"}'
    expect([code, printed]).toEqual([0, expect.stringContaining(told)])
  })
})
