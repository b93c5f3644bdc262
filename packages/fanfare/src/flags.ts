import { parseArgs } from 'node:util'
import { commandNames, environmentName, isOptionName, optionNames, optionOf } from './options.ts'
import type { CommandName, OptionName } from './options.ts'
import { didYouMean } from './nearest.ts'

/** Something that a user wrote and that can't be, with where it stands: a flag, a variable, a line. */
export interface Mistake {
  readonly where: string
  readonly text: string
}

/** A word for an option, and where it was said. */
export interface Said {
  readonly word: string
  readonly where: string
}

export type Words = ReadonlyMap<OptionName, Said>

export interface Given {
  readonly words: Words
  /** What stands without a flag: channels, the message. */
  readonly rest: readonly string[]
  readonly help: boolean
  readonly mistakes: readonly Mistake[]
}

type Configured = NonNullable<NonNullable<Parameters<typeof parseArgs>[0]>['options']>

/** Reads the flags of a command. The last of two that say the same counts. */
export function readFlags(command: CommandName, args: readonly string[]): Given {
  const own = optionNames.filter((name) => optionOf(name).commands.includes(command))
  const configured: Configured = { help: { type: 'boolean', short: 'h' } }
  for (const name of own) configured[name] = { type: optionOf(name).value === undefined ? 'boolean' : 'string' }
  const { tokens } = parseArgs({ args: [...args], options: configured, strict: false, tokens: true, allowPositionals: true })
  const words = new Map<OptionName, Said>()
  const rest: string[] = []
  const mistakes: Mistake[] = []
  let help = false
  for (const token of tokens) {
    if (token.kind === 'positional') rest.push(token.value)
    if (token.kind !== 'option') continue
    const { name, value } = token
    if (name === 'help') {
      help = true
    } else if (!isOptionName(name) || !own.includes(name)) {
      mistakes.push({ where: token.rawName, text: unknownFlag(command, name, own) })
    } else if (value === undefined && optionOf(name).value !== undefined) {
      mistakes.push({ where: token.rawName, text: `this flag has a value: ${token.rawName} ${optionOf(name).value}` })
    } else {
      words.set(name, { word: value ?? 'true', where: token.rawName })
    }
  }
  return { words, rest, help, mistakes }
}

// What other programs call it.
const otherWordsForListen = new Set(['port', 'p', 'host', 'bind', 'address', 'addr'])

function unknownFlag(command: CommandName, name: string, own: readonly OptionName[]): string {
  const elsewhere = commandNames.filter((other) => isOptionName(name) && optionOf(name).commands.includes(other))
  if (elsewhere.length > 0) return `${command} has no such flag (it is one of ${elsewhere.join(' and ')})`
  if (own.includes('listen') && otherWordsForListen.has(name)) return `${command} has no such flag; did you mean --listen HOST:PORT?`
  if (command === 'publish' && name.length === 1) return 'there is no such flag; put -- before a message that begins with -'
  return `${command} has no such flag${didYouMean(name, [...own, 'help'], (near) => `--${near}`)}`
}

// What container systems set by themselves for a service that is called "fanfare", and what the project's own tests use.
const notOurs = /^FANFARE_(?:TEST_.*|SERVICE_HOST|SERVICE_PORT(?:_.*)?|PORT_[0-9]+_(?:TCP|UDP|SCTP)(?:_.*)?)$/

/** Reads all `FANFARE_*` variables. One that is empty says nothing. */
export function readEnvironment(env: Readonly<Record<string, string | undefined>>): {
  readonly words: Words
  readonly mistakes: readonly Mistake[]
} {
  const names = new Map(optionNames.map((name) => [environmentName(name), name]))
  const words = new Map<OptionName, Said>()
  const mistakes: Mistake[] = []
  for (const [variable, word] of Object.entries(env)) {
    if (!variable.startsWith('FANFARE_') || word === undefined || notOurs.test(variable)) continue
    if (variable === 'FANFARE_PORT' && /^(?:tcp|udp|sctp):\/\//.test(word)) continue
    const name = names.get(variable)
    if (name === undefined) mistakes.push({ where: variable, text: `there is no such variable${meantVariable(variable, names.keys())}` })
    else if (word !== '') words.set(name, { word, where: variable })
  }
  return { words, mistakes }
}

/** What all have in common makes no name near. */
function meantVariable(variable: string, known: Iterable<string>): string {
  const own = variable.slice('FANFARE_'.length)
  if (otherWordsForListen.has(own.toLowerCase())) return '; did you mean FANFARE_LISTEN?'
  const ends = [...known].map((name) => name.slice('FANFARE_'.length))
  return didYouMean(own, ends, (near) => `FANFARE_${near}`)
}
