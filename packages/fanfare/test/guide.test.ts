import { spawnSync } from 'node:child_process'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Script } from 'node:vm'
import { createServer } from '@fanfare/server'
import type { FanfareServer } from '@fanfare/server'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { blocksOf, onPath, openTerminal, printed, readDocument } from './support/document.ts'
import type { Block, Terminal } from './support/document.ts'
import { temporaryDirectory } from './support/io.ts'

// What the guide prints is run as it is printed, a page from its top to its end against one server.

const pages = readdirSync(fileURLToPath(new URL('../../../docs/guide', import.meta.url))).filter((name) => name.endsWith('.md'))

/** Pages whose blocks another test runs. */
const elsewhere: Readonly<Record<string, string>> = {
  'embed.md': 'readme.test.ts runs its programs',
  'conformance.md': "the conformance suite's own tests run its command",
}

/** What a block may be besides what is run, and who looks at it. */
const kinds: Readonly<Record<string, string>> = {
  'sh systemd': 'it needs systemd and root',
  ini: 'a unit of systemd, read below',
  'yaml fanfare.yaml': 'a file that the commands after it read',
  'yaml prometheus': 'the configuration of Prometheus, parsed below',
  'yaml rules': 'rules of Prometheus, whose names are looked up below',
  'nginx nginx.conf': 'guide-proxies.test.ts runs it where there is nginx',
  'haproxy haproxy.cfg': 'guide-proxies.test.ts runs it where there is HAProxy',
  'caddyfile Caddyfile': 'guide-proxies.test.ts runs it where there is Caddy',
  'js browser': 'a page, parsed below',
  html: 'a page, whose script is parsed below',
}

const programs = { sh: 'sh', js: 'node', python: 'python3' } as const
const isRun = ({ language, mark }: Block): boolean => Object.hasOwn(programs, language) && (mark === '' || mark === 'endless')
// What needs a program that isn't here is left out; `npm test` says so.
const canRun = ({ language, text }: Block): boolean =>
  onPath(programs[language as keyof typeof programs]) && (!/\bcurl\b/.test(text) || onPath('curl'))
const kindOf = ({ language, mark }: Block): string => `${language} ${mark}`.trim()

const own = pages.filter((page) => elsewhere[page] === undefined)
const allBlocks = own.flatMap((page) => blocksOf(readDocument(`docs/guide/${page}`)))
const blocksLike = (kind: string): readonly Block[] => allBlocks.filter((block) => kindOf(block) === kind)

describe.each(own)('the guide: %s', (page) => {
  const blocks = blocksOf(readDocument(`docs/guide/${page}`))
  let server: FanfareServer
  let terminal: Terminal
  let directory: ReturnType<typeof temporaryDirectory>

  beforeAll(async () => {
    directory = temporaryDirectory()
    server = await createServer({ engine: 'memory', listen: '127.0.0.1:0', transports: 'all' })
    terminal = openTerminal(directory.path, await server.listen())
    for (const { mark, text } of blocks) if (mark.includes('.')) writeFileSync(join(directory.path, mark), text)
  })
  afterEach(async () => await terminal.close())
  afterAll(async () => {
    await server.close()
    directory.remove()
  })

  it('has no block that nobody looks at', () => {
    for (const block of blocks) expect(isRun(block) || Object.keys(kinds).includes(kindOf(block)), `line ${block.line}`).toBe(true)
  })

  it.each(blocks.filter((block) => isRun(block) && canRun(block)))('is right at line $line', async ({ language, mark, text, prints }) => {
    const { output, errors, ended } = terminal.run(language as keyof typeof programs, text)
    if (mark === 'endless') {
      expect(prints, 'what runs on says what comes first').toBeDefined()
      return await expect.poll(() => output(), { timeout: 15_000, interval: 50 }).toMatch(printed(prints ?? '', false))
    }
    const code = await ended
    expect({ code, errors: code === 0 ? '' : errors() }).toEqual({ code: 0, errors: '' })
    if (prints !== undefined) expect(output()).toMatch(printed(prints, true))
  })
})

describe('what the guide has for others', () => {
  it('for pages is JavaScript', () => {
    const scripts = blocksLike('html').flatMap(({ text }) =>
      [...text.matchAll(/<script>([\s\S]*?)<\/script>/g)].map(([, script]) => script ?? ''),
    )
    const programs = [...blocksLike('js browser').map(({ text }) => text), ...scripts]
    expect(programs.length).toBeGreaterThanOrEqual(2)
    for (const text of programs) expect(() => new Script(`(async () => {\n${text}\n})`)).not.toThrow()
  })

  it('for Prometheus is YAML, and names metrics that there are', async () => {
    const server = await createServer({ engine: 'memory', listen: '127.0.0.1:0' })
    const page = await (await fetch(`${await server.listen()}/metrics`)).text()
    await server.close()
    expect(blocksLike('yaml prometheus').map(({ text }) => parse(text) as unknown)).toMatchObject([
      { scrape_configs: [{ job_name: 'fanfare' }] },
    ])
    const rules = blocksLike('yaml rules')
      .flatMap(({ text }) => (parse(text) as Rules).groups)
      .flatMap((group) => group.rules)
    const names = rules.flatMap(({ expr }) => expr.match(/fanfare_[a-z_]+(?:\{[^}]*\})?/g) ?? [])
    expect(names.length).toBeGreaterThanOrEqual(6)
    for (const name of names) expect(page).toContain(`\n${name.replace('}', '')}`)
  })

  it('for systemd has a section for each part of a service', () => {
    const [unit] = blocksLike('ini')
    expect(unit?.text.match(/^\[\w+\]$/gm)).toEqual(['[Unit]', '[Service]', '[Install]'])
    expect(unit?.text).toMatch(/^ExecStart=\/usr\/bin\/node \S+packages\/fanfare\/bin\/fanfare\.mjs serve /m)
  })

  it.each(onPath('systemd-analyze') ? blocksLike('ini') : [])('for systemd has no key that it ignores: line $line', ({ text }) => {
    const directory = temporaryDirectory()
    const unit = join(directory.path, 'fanfare.service')
    writeFileSync(unit, text.replace('/usr/bin/node', process.execPath))
    const { status, stderr } = spawnSync('systemd-analyze', ['verify', unit], { encoding: 'utf8' })
    directory.remove()
    // It speaks of other units of the machine too.
    expect([status, stderr.split('\n').filter((line) => line.includes('fanfare.service'))]).toEqual([0, []])
  })
})

interface Rules {
  readonly groups: readonly { readonly rules: readonly { readonly alert: string; readonly expr: string }[] }[]
}
