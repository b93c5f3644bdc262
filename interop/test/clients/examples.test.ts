import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { agent, call } from '../../../packages/fanfare/test/support/followers.ts'
import { freePort, live } from './support/life.ts'
import type { Life } from './support/life.ts'
import { ended, kill, run } from './support/program.ts'
import { onPath, unless } from './support/programs.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const readme = readFileSync(fileURLToPath(new URL('../../../examples/README.md', import.meta.url)), 'utf8')
const commands = [...readme.matchAll(/```sh\n([^`]*)```/g)].flatMap(([, block]) => (block ?? '').split('\n')).filter((line) => line !== '')
const publishing = commands.filter((line) => /publish/i.test(line))
const receiving = commands.filter((line) => /receive|poll/.test(line))
const [page = ''] = commands.filter((line) => line.includes('http.server'))

/** The program that a line needs: the last of a pipe. A source file of Java is run by a JDK only: what shows it is its compiler. */
const programOf = (line: string): string => (line.split('| ').at(-1)?.split(' ')[0] ?? '').replace(/^java$/, 'javac')

let life: Life

beforeAll(async () => {
  life = await live()
})
afterAll(async () => {
  agent.destroy()
  await life.close()
})

/** Each begins with an empty channel, and without the cursor of the one before. */
beforeEach(async () => {
  await call(`${life.url}/channels/news`, { method: 'DELETE' })
  rmSync(`${life.directory}/news.cursor`, { force: true })
})

// Programs that start slowly, on a machine that is busy.
const patienceMs = 60_000

/** A line of the README in a shell, as it is printed, but for files in /tmp. */
const shell = (line: string) => run('sh', ['-c', line.replaceAll('/tmp/', `${life.directory}/`)], life.url, root)

async function publish(channel: string, body: string): Promise<void> {
  await call(`${life.url}/channels/${channel}`, { method: 'POST', body })
}

describe('the examples', () => {
  it('are all started by the lines of their README', () => {
    expect([...publishing, ...receiving, page].toSorted()).toEqual(commands.toSorted())
    expect(publishing).toHaveLength(4)
    expect(receiving).toHaveLength(3)
  })

  for (const line of publishing) {
    it.skipIf(!onPath(programOf(line)))(`${line}: publishes${unless(programOf(line))}`, { timeout: patienceMs }, async () => {
      const { code, stdout, stderr } = await ended(shell(line))
      expect({ code, stderr }).toMatchObject({ code: 0 })
      const channel = line.startsWith('seq') ? 'numbers' : 'news'
      const { body } = await call(`${life.url}/channels/${channel}?since=earliest&limit=1000`)
      const { publications } = JSON.parse(body) as { publications: { data: string; type: string }[] }
      const wanted = line.startsWith('seq') ? Array.from({ length: 1000 }, (_, index) => String(index + 1)) : [/'(.*)'/.exec(line)?.[1]]
      expect(publications.map(({ data }) => data)).toEqual(wanted)
      expect(publications[0]?.type).toMatch(/^text\/plain/)
      expect(stdout).toMatch(/offset/)
    })
  }

  for (const line of receiving) {
    it.skipIf(!onPath(programOf(line)))(
      `${line}: receives, and goes on after the server was killed${unless(programOf(line))}`,
      { timeout: patienceMs },
      async () => {
        const child = shell(line)
        let printed = ''
        const heard = async (text: string): Promise<void> =>
          await new Promise((resolve) => {
            const check = (): void => {
              if (!printed.includes(text)) return
              child.stdout?.off('data', check)
              resolve()
            }
            child.stdout?.on('data', check)
            check()
          })
        child.stdout?.on('data', (part: Buffer) => (printed += part.toString()))
        try {
          await publish('news', 'first')
          await heard('first')
          await publish('news', 'second')
          await heard('second')
          await life.kill()
          await publish('news', 'third')
          await heard('third')
          expect(printed.match(/first|second|third/g)).toEqual(['first', 'second', 'third'])
        } finally {
          await kill(child)
        }
      },
    )
  }

  it.skipIf(!onPath('python3'))(`${page}: serves the page${unless('python3')}`, async () => {
    const port = await freePort()
    const child = shell(page.replace('8080', String(port)))
    try {
      await expect
        .poll(
          async () =>
            await fetch(`http://127.0.0.1:${port}/`).then(
              (answer) => answer.status,
              () => 0,
            ),
        )
        .toBe(200)
      const answer = await fetch(`http://127.0.0.1:${port}/?channel=numbers`)
      expect(await answer.text()).toBe(readFileSync(new URL('../../../examples/browser/index.html', import.meta.url), 'utf8'))
    } finally {
      await kill(child)
    }
  })

  it.skipIf(!onPath('python3'))(`receive.py goes on where it was killed itself${unless('python3')}`, async () => {
    const line = receiving.find((one) => one.includes('receive.py')) ?? ''
    let printed = ''
    for (const [index, text] of ['one', 'two', 'three'].entries()) {
      await publish('news', text)
      const child = shell(line)
      child.stdout?.on('data', (part: Buffer) => (printed += part.toString()))
      await expect.poll(() => printed.split('\n').length - 1).toBe(index + 1)
      // The cursor is noted behind what is printed: wait for that, too.
      await expect.poll(() => readFileSync(`${life.directory}/news.cursor`, 'utf8')).toBe(await headOf('news'))
      await kill(child)
    }
    expect(printed).toMatch(/^\d+ "one"\n\d+ "two"\n\d+ "three"\n$/)
  })

  it.skipIf(!onPath('python3'))(`tell a gap, and go on behind it${unless('python3')}`, async () => {
    await publish('news', 'before')
    const cursor = await headOf('news')
    writeFileSync(`${life.directory}/news.cursor`, cursor)
    await call(`${life.url}/channels/news`, { method: 'DELETE' })
    await publish('news', 'behind')
    for (const line of ['python3 examples/python/receive.py news /tmp/news.cursor', `node examples/node/receive.mjs news ${cursor}`]) {
      const child = shell(line)
      let [printed, told] = ['', '']
      child.stdout?.on('data', (part: Buffer) => (printed += part.toString()))
      child.stderr?.on('data', (part: Buffer) => (told += part.toString()))
      try {
        await expect.poll(() => printed).toMatch(/^\d+ "behind"\n$/)
        await expect.poll(() => told).toMatch(/^gap .*"reason": ?"deleted"/)
      } finally {
        await kill(child)
      }
    }
  })

  it.skipIf(!onPath('python3'))(`say what is refused, and end with 1${unless('python3')}`, async () => {
    const refused = await ended(run('python3', ['examples/python/publish.py', 'a*b', 'x'], life.url, root))
    expect(refused.code).toBe(1)
    expect(refused.stderr).toContain('channel-name-invalid')
    const cursorless = await ended(run('node', ['examples/node/receive.mjs', 'news', 'nonsense'], life.url, root))
    expect(cursorless.code).toBe(1)
    expect(cursorless.stderr).toContain('cursor-invalid')
  })
})

async function headOf(channel: string): Promise<string> {
  const { headers } = await call(`${life.url}/channels/${channel}`, { method: 'HEAD' })
  return String(headers['fanfare-cursor'])
}
