import {
  fixedLimits,
  isProblem,
  limits,
  parseCount,
  parseDurationMs,
  parseOrNone,
  parseSizeBytes,
  patternProblem,
  problemOf,
} from '@fanfare/wire'
import type { Keep, LimitName, Limits, Problem } from '@fanfare/wire'
import type { RuleOptions } from '@fanfare/server'
import { z } from 'zod'
import { optionNames, optionOf } from './options.ts'
import type { OptionName } from './options.ts'

// What a configuration file may hold, once YAML has read it. Every word goes through the same parser as its flag.

export interface FileShape {
  readonly words: ReadonlyMap<OptionName, string>
  /** What a rule leaves out is the server's to fill in. */
  readonly rules: readonly RuleOptions[]
  readonly limits: Partial<Limits>
}

const limitNames = Object.keys(limits) as readonly LimitName[]

/** A scalar that `parse` can read; a list is read item by item. `missing` is said where there is none at all. */
function scalar<T>(parse: (word: string) => T | Problem, missing?: string): z.ZodType<T> {
  return z.unknown().transform((value, context) => {
    const word = typeof value === 'string' ? value : typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined
    const other = (value === undefined ? missing : undefined) ?? `one value was expected here, not ${kindOf(value)}`
    const read = word === undefined ? problemOf('parameter-invalid', other) : parse(word)
    if (!isProblem(read)) return read
    context.issues.push({ code: 'custom', message: read.problem, input: value })
    return z.NEVER
  })
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return 'nothing'
  return Array.isArray(value) ? 'a list' : 'a group of keys'
}

/** Bytes: a size, or a plain number of bytes. */
function sizeBytes(word: string): number | Problem {
  return /^[0-9]+$/.test(word) ? parseCount(word) : parseSizeBytes(word)
}

/** Nothing at all would be no limit, but an end. */
function atLeastOne<T extends number | null>(value: T | Problem): T | Problem {
  return value === 0 ? problemOf('parameter-invalid', 'must be at least 1') : value
}

function pattern(word: string): string | Problem {
  const problem = patternProblem(word)
  return problem === undefined ? word : problemOf('parameter-invalid', `${JSON.stringify(word)}: ${problem}`)
}

function optionalKeep(): z.ZodType<Partial<Keep>> {
  return z
    .strictObject({
      publications: scalar((word) => atLeastOne(parseOrNone(word, parseCount))).optional(),
      age: scalar((word) => atLeastOne(parseOrNone(word, parseDurationMs))).optional(),
      bytes: scalar((word) => atLeastOne(parseOrNone(word, sizeBytes))).optional(),
    })
    .transform(({ publications, age, bytes }) => ({
      ...(publications === undefined ? {} : { publications }),
      ...(age === undefined ? {} : { ageMs: age }),
      ...(bytes === undefined ? {} : { bytes }),
    }))
}

const rule: z.ZodType<RuleOptions> = z
  .strictObject({
    match: scalar(pattern, 'a rule needs a match, such as match: "news/*"'),
    keep: optionalKeep().optional(),
    payload: scalar((word) => atLeastOne(sizeBytes(word))).optional(),
    public: z.boolean('must be true or false').optional(),
  })
  .transform(({ match, keep, payload, public: isPublic }) => ({
    match,
    ...(keep === undefined ? {} : { keep }),
    ...(payload === undefined ? {} : { payloadBytes: payload }),
    ...(isPublic === undefined ? {} : { public: isPublic }),
  }))

/** A limit by its unit: bytes and milliseconds may be written as a size or a duration, or as a plain number of them. */
function limit(name: LimitName): z.ZodType<number | undefined> {
  return scalar((word): number | Problem => {
    const plain = /^[0-9]+$/.test(word)
    const value = plain
      ? parseCount(word)
      : name.endsWith('Bytes')
        ? parseSizeBytes(word)
        : name.endsWith('Ms')
          ? parseDurationMs(word)
          : parseCount(word)
    const fixed = fixedLimits.includes(name) && value !== limits[name]
    return fixed ? problemOf('parameter-invalid', `this limit is fixed at ${limits[name]}`) : atLeastOne(value)
  }).optional()
}

function optionKey(name: OptionName): z.ZodType<string | undefined> {
  const { parse } = optionOf(name)
  const checked = (word: string): string | Problem => {
    const value = parse(word)
    return isProblem(value) ? value : word
  }
  const list = z
    .array(scalar(checked))
    .min(1, 'a list has at least one item')
    .transform((words) => words.join(','))
  const takesList = name === 'transports' || name === 'origins' || name === 'hosts'
  return (takesList ? z.preprocess((value): unknown[] => (Array.isArray(value) ? value : [value]), list) : scalar(checked)).optional()
}

/** Options that stand under their own name. */
const keys = optionNames.filter((name) => optionOf(name).inFile === undefined)
/** Those within `tls`, by the key that they have there. */
const tlsKeys = new Map(
  optionNames.flatMap((name) => {
    const { inFile } = optionOf(name)
    return inFile === undefined || inFile === false ? [] : [[inFile[1], name] as const]
  }),
)

/** Where an option stands in the file. */
export function pathInFile(name: OptionName): readonly string[] {
  const { inFile } = optionOf(name)
  return inFile === undefined || inFile === false ? [name] : inFile
}

function optionalKeys(names: Iterable<readonly [key: string, name: OptionName]>): Record<string, z.ZodType<string | undefined>> {
  return Object.fromEntries([...names].map(([key, name]) => [key, optionKey(name)]))
}

/** The whole file. */
export const fileSchema: z.ZodType<FileShape> = z
  .strictObject({
    ...(optionalKeys(keys.map((name) => [name, name])) as Record<OptionName, z.ZodType<string | undefined>>),
    channels: z.array(rule, 'a list of rules was expected here').optional(),
    limits: z
      .strictObject(Object.fromEntries(limitNames.map((name) => [name, limit(name)])) as Record<LimitName, z.ZodType<number | undefined>>)
      .optional(),
    tls: z.strictObject(optionalKeys(tlsKeys)).optional(),
  })
  .transform((file): FileShape => {
    const words = new Map<OptionName, string>()
    for (const name of keys) if (file[name] !== undefined) words.set(name, file[name])
    for (const [key, name] of tlsKeys) {
      const word = file.tls?.[key]
      if (word !== undefined) words.set(name, word)
    }
    return { words, rules: file.channels ?? [], limits: file.limits ?? {} } as FileShape
  })

/** The keys that may stand at a path of the file, for the nearest name. */
export function knownKeys(path: readonly PropertyKey[]): readonly string[] {
  if (path.length === 0) return [...keys, 'channels', 'limits', 'tls']
  if (path[0] === 'tls') return [...tlsKeys.keys()]
  if (path[0] === 'limits') return limitNames.filter((name) => !fixedLimits.includes(name))
  return path.at(-1) === 'keep' ? ['publications', 'age', 'bytes'] : ['match', 'keep', 'payload', 'public']
}
