import type { Writable } from 'node:stream'
import { parseArgs } from 'node:util'
import { countsOf, tableOf } from './outside/report.ts'
import type { Paint } from './outside/report.ts'
import { runOutside } from './outside/run.ts'
import type { Outside } from './outside/run.ts'
import { receivers } from './receivers/index.ts'

/** What the command sees of its surroundings. */
export interface Surroundings {
  readonly stdout: Writable
  readonly stderr: Writable
  readonly env: Readonly<Record<string, string | undefined>>
  /** Aborted where somebody wants it to end. */
  readonly signal?: AbortSignal
}

export const exitCodes = { well: 0, failed: 1, usage: 2 } as const

const known = [...new Set(receivers.map(({ transport }) => transport))]

const help = `Checks a running Fanfare server from outside, and prints a table.

  conformance --url http://127.0.0.1:8000

  --url URL           the server
  --transports LIST   only these: ${known.join(', ')}
  --only TEXT         only checks in whose row, column or name the text is
  --long              wait for heartbeats too, up to 40 s
  --patience SECONDS  how long a check may take; without it 30
  --seed N            cuts pairs of transports at the places of a run before
  --json              prints the findings as JSON
  --help              this text

It publishes to channels whose names begin with conformance- and a random word, and deletes them afterwards.
Exit codes: 0 all that was checked is ok, 1 something FAILED or can't be reached, 2 wrong usage.
`

/** Runs the command to its end and answers with the exit code. */
export async function main(args: readonly string[], io: Surroundings): Promise<number> {
  const asked = askedOf(args)
  if (typeof asked === 'string') {
    io.stderr.write(`conformance: ${asked} (--help says how)\n`)
    return exitCodes.usage
  }
  if (asked === undefined) {
    io.stdout.write(help)
    return exitCodes.well
  }
  const progress = progressOn(io.stderr)
  try {
    const report = await runOutside({
      ...asked,
      onProgress: (done, of, { row, column }) => progress(`${done} of ${of}: ${row.name}, ${column}`),
      ...(io.signal === undefined ? {} : { signal: io.signal }),
    })
    progress('')
    io.stdout.write(asked.json ? `${JSON.stringify(report, undefined, 2)}\n` : tableOf(report, painterFor(io)))
    const { checks, failed } = countsOf(report)
    return failed > 0 || checks === 0 || report.interrupted ? exitCodes.failed : exitCodes.well
  } catch (error) {
    progress('')
    io.stderr.write(`conformance: ${asked.url} can't be checked: ${messageOf(error)}\n`)
    return exitCodes.failed
  }
}

/** What was asked for; nothing where the help was; or what is wrong with it. */
function askedOf(args: readonly string[]): (Outside & { readonly json: boolean }) | string | undefined {
  const values = valuesOf(args)
  if (typeof values === 'string') return values
  const { url, transports: list, only, seed = String(Math.floor(Math.random() * 1_000_000_000)) } = values
  const { patience = '30', long = false, json = false } = values
  if (values.help === true) return undefined
  if (url === undefined) return 'needs --url, the address of a server'
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) return `--url ${url} is no http or https address`
  const { origin, pathname } = new URL(url)
  if (pathname !== '/') return `--url is the server's address without a path: ${origin}`
  const transports = list?.split(',').map((name) => name.trim())
  const unknown = transports?.find((name) => !known.includes(name))
  if (unknown !== undefined) return `--transports knows ${known.join(', ')}, not ${JSON.stringify(unknown)}`
  if (!/^[0-9]{1,15}$/.test(seed)) return `--seed is a number, not ${JSON.stringify(seed)}`
  if (!/^[1-9][0-9]{0,4}$/.test(patience)) return `--patience is a number of seconds, not ${JSON.stringify(patience)}`
  return { url: origin, transports, only, long, json, seed: Number(seed), patienceMs: Number(patience) * 1000 }
}

function valuesOf(args: readonly string[]) {
  const text = { type: 'string' } as const
  const flag = { type: 'boolean' } as const
  const words = { url: text, transports: text, only: text, patience: text, seed: text } as const
  const options = { ...words, long: flag, json: flag, help: { ...flag, short: 'h' } } as const
  try {
    return parseArgs({ args: [...args], options, strict: true }).values
  } catch (error) {
    return messageOf(error)
  }
}

function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return messageOf(error.errors[0])
  return error instanceof Error ? error.message : String(error)
}

/** One line that changes, on a terminal; elsewhere nothing. */
function progressOn(stream: Writable): (text: string) => void {
  if (!isTerminal(stream)) return () => undefined
  return (text) => void stream.write(`\r\u001b[2K${text}`)
}

function painterFor({ stdout, env }: Surroundings): Paint {
  if (!isTerminal(stdout) || (env['NO_COLOR'] ?? '') !== '') return (_style, text) => text
  const codes = { good: 32, bad: 31, faint: 2, strong: 1 }
  return (style, text) => `\u001b[${codes[style]}m${text}\u001b[0m`
}

function isTerminal(stream: Writable): boolean {
  return 'isTTY' in stream && stream.isTTY === true
}
