import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../../../', import.meta.url))
const bin = fileURLToPath(new URL('../../bin/fanfare.mjs', import.meta.url))

/** A fenced block of a page. */
export interface Block {
  /** Of its fence in the page, from 1. */
  readonly line: number
  /** The first word behind the fence. */
  readonly language: string
  /** What else stands there, such as `endless`. */
  readonly mark: string
  readonly text: string
  /** What the page says that it prints: a block of text or JSON that follows at once. */
  readonly prints: string | undefined
}

/** A document of the project, by its path from the root. */
export function readDocument(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

/** The fenced blocks of a page, but for those that only say what the one before prints. */
export function blocksOf(document: string): readonly Block[] {
  const found = [...document.matchAll(/^```([a-z]+)(?: ([^\n]+))?\n([\s\S]*?)^```\n/gm)].map((match) => {
    const [all, language = '', mark = '', text = ''] = match
    return {
      line: document.slice(0, match.index).split('\n').length,
      language,
      mark,
      text,
      from: match.index,
      to: match.index + all.length,
    }
  })
  const runnable = new Set(['sh', 'js', 'python'])
  const output = new Map<number, string>()
  found.forEach((block, index) => {
    const before = found[index - 1]
    if (before?.to === block.from && runnable.has(before.language) && ['json', 'text'].includes(block.language))
      output.set(index - 1, block.text)
  })
  return found.flatMap(({ line, language, mark, text }, index) =>
    output.has(index - 1) ? [] : [{ line, language, mark, text, prints: output.get(index) }],
  )
}

/** Matches what a page says is printed; `…` stands for anything. `whole`: and nothing else. */
export function printed(prints: string, whole: boolean): RegExp {
  const pattern = prints
    .trimEnd()
    .split('…')
    .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`).replaceAll(otherAddress, String.raw`127\.0\.0\.1:[0-9]+`))
    .join(String.raw`[\s\S]*?`)
  return new RegExp(`^\\s*${pattern}${whole ? String.raw`\s*$` : ''}`)
}

/** Servers that a page itself starts take any port here. */
const otherAddress = /127(?:\\)?\.0(?:\\)?\.0(?:\\)?\.1:(?:8080|9000)/g

/** Is the program on the PATH? */
export function onPath(program: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => existsSync(join(folder, program)))
}

export interface Running {
  /** What it has printed on stdout. */
  readonly output: () => string
  readonly errors: () => string
  /** Its exit code; null where it was ended. */
  readonly ended: Promise<number | null>
}

export interface Terminal {
  run(language: 'sh' | 'js' | 'python', text: string): Running
  /** Ends what still runs, with all that it started. */
  close(): Promise<void>
}

/** Runs what documents print, with the server at `address` in place of the one on port 8000, and the built command for npx. */
export function openTerminal(directory: string, address: string): Terminal {
  const running = new Set<ChildProcess>()
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith('FANFARE_') || name === 'FANFARE_TEST_RUN'),
  )
  const start = (program: string, args: readonly string[]): Running => {
    const child = spawn(program, args, {
      cwd: directory,
      env: { ...env, FANFARE_URL: address },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    running.add(child)
    let output = ''
    let errors = ''
    child.stdout.on('data', (part: Buffer) => (output += part.toString()))
    child.stderr.on('data', (part: Buffer) => (errors += part.toString()))
    const ended = once(child, 'close').then(([code]) => code as number | null)
    return { output: () => output.replaceAll('\r\n', '\n'), errors: () => errors, ended }
  }
  return {
    run(language, text) {
      const here = text
        .replaceAll('127.0.0.1:8000', new URL(address).host)
        .replaceAll(otherAddress, '127.0.0.1:0')
        .replaceAll('npx fanfare', `"${process.execPath}" "${bin}"`)
      if (language === 'sh') return start('sh', ['-c', here])
      return language === 'js' ? start(process.execPath, ['--input-type=module', '-e', here]) : start('python3', ['-c', here])
    },
    async close() {
      for (const child of running) {
        if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) continue
        const closed = once(child, 'close')
        process.kill(-child.pid, 'SIGKILL')
        await closed
      }
      running.clear()
    },
  }
}
