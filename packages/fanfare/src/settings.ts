import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { isProblem } from '@fanfare/wire'
import type { RuleOptions } from '@fanfare/server'
import type { Limits } from '@fanfare/wire'
import { readEnvironment } from './flags.ts'
import type { Given, Mistake, Said, Words } from './flags.ts'
import type { Io } from './io.ts'
import { messageOf } from './io.ts'
import { optionOf, optionValue } from './options.ts'
import type { OptionName, OptionValue } from './options.ts'

/** What flags, environment, file and defaults say together. */
export interface Settings {
  /** The value of an option, or undefined where nobody said one and there is no default. */
  get<Name extends OptionName>(name: Name): OptionValue<Name> | undefined
  /** The same for an option with a default. */
  value<Name extends OptionName>(name: Name): OptionValue<Name>
  /** Where it was said, for messages. */
  where(name: OptionName): string
  readonly rules: readonly RuleOptions[]
  readonly limits: Partial<Limits>
  /** The configuration's path as it was named, where there is one. */
  readonly file: string | undefined
  /** Flags and variables that can't be: wrong usage. */
  readonly usage: readonly Mistake[]
  /** What is wrong in the file. */
  readonly inFile: readonly Mistake[]
}

const defaultFile = 'fanfare.yaml'

/** Puts them together: flags win over the environment, the environment over the file, the file over the defaults (CONTRACT section 8). */
export async function readSettings(given: Given, io: Io): Promise<Settings> {
  const environment = readEnvironment(io.env)
  const named = given.words.get('config') ?? environment.words.get('config')
  const file = await readFile(named, io)
  const sources: readonly Words[] = [given.words, environment.words, file.words]
  const usage = [...given.mistakes, ...environment.mistakes, ...wordMistakes(given.words), ...wordMistakes(environment.words)]
  const said = (name: OptionName): Said | undefined => {
    for (const words of sources) {
      const found = words.get(name)
      if (found !== undefined) return found
    }
    const byDefault = optionOf(name).byDefault
    return byDefault === undefined ? undefined : { word: byDefault, where: 'the default' }
  }
  const get = <Name extends OptionName>(name: Name): OptionValue<Name> | undefined => {
    const found = said(name)
    const value = found === undefined ? undefined : optionValue(name, found.word)
    return isProblem(value) ? undefined : value
  }
  return {
    get,
    value(name) {
      const value = get(name)
      if (value === undefined) throw new Error(`${name} has no value, nor a default`)
      return value
    },
    where: (name) => said(name)?.where ?? 'nowhere',
    rules: file.rules,
    limits: file.limits,
    file: file.name,
    usage,
    inFile: file.mistakes,
  }
}

function* wordMistakes(words: Words): Iterable<Mistake> {
  for (const [name, { word, where }] of words) {
    const value = optionValue(name, word)
    if (isProblem(value)) yield { where, text: value.problem }
  }
}

interface FileRead {
  readonly name: string | undefined
  readonly words: Words
  readonly rules: readonly RuleOptions[]
  readonly limits: Partial<Limits>
  readonly mistakes: readonly Mistake[]
}

/** A file that was named must be there; `fanfare.yaml` may be missing. YAML and its checks are loaded only where there is a file. */
async function readFile(named: Said | undefined, io: Io): Promise<FileRead> {
  const name = named?.word ?? defaultFile
  const none: FileRead = { name: undefined, words: new Map(), rules: [], limits: {}, mistakes: [] }
  try {
    const text = readFileSync(resolve(io.directory, name), 'utf8')
    const { readConfig } = await import('./config-file.ts')
    return { name, ...readConfig(name, text) }
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error)) throw error
    if (named === undefined && error.code === 'ENOENT') return none
    return { ...none, name, mistakes: [{ where: name, text: error.code === 'ENOENT' ? 'there is no such file' : messageOf(error) }] }
  }
}
