import type { Log } from '@fanfare/server'
import { painter } from './io.ts'
import type { Io } from './io.ts'

type Level = 'info' | 'warn' | 'error'

/** The server's log: a line each, news on stdout, warnings and errors on stderr. Text has colour on a terminal; JSON has `time`, `level`, `message` and the fields. */
export function createLog(format: 'text' | 'json', io: Io): Log {
  const write = format === 'json' ? writeJson : textWriter(io)
  const at = (level: Level) => (fields: Record<string, unknown>, message: string) => {
    const stream = level === 'info' ? io.stdout : io.stderr
    stream.write(write(level, fields, message))
  }
  return { info: at('info'), warn: at('warn'), error: at('error') }
}

type Write = (level: Level, fields: Record<string, unknown>, message: string) => string

const writeJson: Write = (level, fields, message) => {
  const plain = Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, plainOf(value)]))
  return `${JSON.stringify({ time: new Date().toISOString(), level, message, ...plain })}\n`
}

function textWriter(io: Io): Write {
  const colours = { info: 32, warn: 33, error: 31 } as const
  const paint = { info: painter(io.stdout, io.env), warn: painter(io.stderr, io.env), error: painter(io.stderr, io.env) }
  return (level, fields, message) => {
    const time = paint[level](2, new Date().toTimeString().slice(0, 8))
    const mark = level === 'info' ? '' : ` ${paint[level](colours[level], level)}`
    const rest = Object.entries(fields)
      .filter(isNews(message))
      .map(([name, value]) => ` ${paint[level](2, `${name}=`)}${wordOf(value)}`)
    return `${time}${mark} ${message}${rest.join('')}\n`
  }
}

// What the engine promises is said in a sentence of its own; as words of the code it is for machines.
const forMachines = new Set(['engine', 'durable', 'forks'])

function isNews(message: string): (field: [name: string, value: unknown]) => boolean {
  return ([name, value]) => !forMachines.has(name) && !(typeof value === 'string' && message.includes(value))
}

/** Errors become what they say, and where they come from. */
function plainOf(value: unknown): unknown {
  if (value instanceof Error) return { message: value.message, stack: value.stack }
  return typeof value === 'bigint' ? value.toString() : value
}

function wordOf(value: unknown): string {
  if (value instanceof Error) return value.stack ?? value.message
  if (typeof value === 'string' && /^[^\s"=]+$/.test(value)) return value
  return JSON.stringify(plainOf(value)) ?? 'undefined'
}
