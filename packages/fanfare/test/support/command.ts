import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const bin = fileURLToPath(new URL('../../bin/fanfare.mjs', import.meta.url))

/** The real command as a process of its own. */
export interface Command {
  readonly child: ChildProcess
  readonly stdout: () => string
  readonly stderr: () => string
  /** Resolves when what it has printed passes the test; rejects when it ends before. */
  until(test: (stdout: string) => boolean): Promise<void>
  /** Resolves with its exit code (or the signal that ended it). */
  readonly ended: Promise<number | string>
}

export function command(
  args: readonly string[],
  options: { directory: string; env?: Record<string, string>; input?: string | undefined },
): Command {
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith('FANFARE_') || name === 'FANFARE_TEST_RUN'),
  )
  const child = spawn(process.execPath, [bin, ...args], {
    cwd: options.directory,
    env: { ...env, ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  let checks: (() => void)[] = []
  const check = (): void => {
    for (const one of checks) one()
  }
  child.stdout.on('data', (part: Buffer) => {
    stdout += part.toString()
    check()
  })
  child.stderr.on('data', (part: Buffer) => (stderr += part.toString()))
  child.stdin.on('error', () => undefined)
  child.stdin.end(options.input ?? '')
  const ended = new Promise<number | string>((resolve) => child.on('close', (code, signal) => resolve(code ?? signal ?? 'unknown')))
  return {
    child,
    stdout: () => stdout,
    stderr: () => stderr,
    ended,
    until: (test) =>
      new Promise((resolve, reject) => {
        const one = (): void => {
          if (!test(stdout)) return
          checks = checks.filter((other) => other !== one)
          resolve()
        }
        checks.push(one)
        void ended.then((code) => reject(new Error(`ended with ${code} before it printed what was waited for: ${stdout}${stderr}`)))
        one()
      }),
  }
}

/** A server that listens, and its address as it said it. */
export async function serving(directory: string, ...flags: string[]): Promise<Command & { url: string }> {
  const server = command(['serve', '--listen', '127.0.0.1:0', ...flags], { directory })
  await server.until((stdout) => /listens on http:\S+/.test(stdout))
  return { ...server, url: /listens on (http:\/\/[0-9.:]+)/.exec(server.stdout())?.[1] ?? '' }
}
