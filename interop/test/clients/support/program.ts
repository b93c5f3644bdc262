import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Client, Place } from './client.ts'
import { lineReader } from './readers.ts'
import type { Heard, Reader } from './readers.ts'
import type { Taking } from './taking.ts'

const againMs = 100

/** A program that is told the server's address, and nothing of the surroundings' settings of Fanfare. */
export function run(name: string, args: readonly string[], url: string, directory: string): ChildProcess {
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith('FANFARE_') || name === 'FANFARE_TEST_RUN'),
  )
  // A group of its own, so that what it starts ends with it.
  return spawn(name, args, { cwd: directory, env: { ...env, FANFARE_URL: url }, stdio: ['pipe', 'pipe', 'pipe'], detached: true })
}

/** kill -9 to a program and to what it has started. */
export async function kill(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const closed = once(child, 'close')
  process.kill(-child.pid, 'SIGKILL')
  await closed
}

/** A program to its end: what it printed, and its exit code. */
export async function ended(
  child: ChildProcess,
  input?: string,
): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
  let stdout = ''
  let stderr = ''
  child.stdout?.on('data', (part: Buffer) => (stdout += part.toString()))
  child.stderr?.on('data', (part: Buffer) => (stderr += part.toString()))
  child.stdin?.on('error', () => undefined)
  child.stdin?.end(input ?? '')
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, stdout, stderr }
}

/** A program that goes on by itself, and prints what it takes. */
export function lastingClient(name: string, line: (place: Place) => readonly [string, ...string[]], reader: () => Reader): Client {
  return {
    name,
    start(place, taking) {
      const [program, ...args] = line(place)
      const child = run(program, args, place.url, place.directory)
      const read = reader()
      child.stdout?.on('data', (part: Buffer) => tell(read(part), taking))
      let stderr = ''
      child.stderr?.on('data', (part: Buffer) => (stderr += part.toString()))
      child.on('close', (code) => {
        if (code !== null) taking.trouble(`${program} ended with ${code}: ${stderr}`)
      })
      return async () => await kill(child)
    },
  }
}

/** A program that ends with its connection and is started again with the last cursor. */
export function repeatedClient(
  name: string,
  line: (place: Place, since: string) => readonly [string, ...string[]],
  reader: () => Reader,
): Client {
  return {
    name,
    start(place, taking) {
      let child: ChildProcess | undefined
      let since = place.since
      const stopped = new AbortController()
      const once = async (): Promise<void> => {
        const [program, ...args] = line(place, since)
        child = run(program, args, place.url, place.directory)
        const read = reader()
        child.stdout?.on('data', (part: Buffer) => {
          since = tell(read(part), taking) ?? since
        })
        await ended(child)
      }
      const loop = (async () => {
        while (!stopped.signal.aborted) {
          await once()
          await sleep(againMs, undefined, { signal: stopped.signal }).catch(() => undefined)
        }
      })()
      return async () => {
        stopped.abort()
        if (child !== undefined) await kill(child)
        await loop
      }
    },
  }
}

/** What the examples print: the offset, and the payload as JSON. */
export function exampleReader(): Reader {
  return lineReader((line) => {
    const [, offset, data] = /^(\d+) (.*)$/s.exec(line) ?? []
    return data === undefined ? [{ trouble: line }] : [{ publication: { offset: Number(offset), data: JSON.parse(data) as unknown } }]
  })
}

/** Hands on what was heard; gives the last place of it. */
export function tell(heard: readonly Heard[], taking: Taking): string | undefined {
  let place: string | undefined
  for (const { publication, cursor, trouble } of heard) {
    if (publication !== undefined) taking.take(publication)
    if (trouble !== undefined) taking.trouble(trouble)
    place = cursor ?? place
  }
  return place
}
