import type { RuleOptions } from '@fanfare/server'
import type { Limits } from '@fanfare/wire'
import { LineCounter, isMap, isNode, parseDocument } from 'yaml'
import type { Document } from 'yaml'
import { fileSchema, knownKeys, pathInFile } from './config-schema.ts'
import type { Mistake, Said, Words } from './flags.ts'
import { didYouMean } from './nearest.ts'
import type { OptionName } from './options.ts'

export interface ConfigFile {
  readonly words: Words
  readonly rules: readonly RuleOptions[]
  readonly limits: Partial<Limits>
  /** All that is wrong, in the order of the lines. */
  readonly mistakes: readonly Mistake[]
}

/** Reads a configuration; `name` is what mistakes call it. Never throws for what stands in it. */
export function readConfig(name: string, text: string): ConfigFile {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, stringKeys: true })
  const place = (offset: number): string => {
    const { line, col } = lines.linePos(offset)
    return `${name}:${line}:${col}`
  }
  if (document.errors.length > 0) {
    return { ...nothing, mistakes: document.errors.map((error) => ({ where: place(error.pos[0]), text: error.message })) }
  }
  const read = fileSchema.safeParse(plainOf(document))
  if (!read.success) {
    const found = read.error.issues.flatMap((issue) => mistakesOf(document, issue)).sort((one, other) => one.offset - other.offset)
    return { ...nothing, mistakes: found.map(({ offset, text }) => ({ where: place(offset), text })) }
  }
  const words = new Map<OptionName, Said>()
  for (const [option, word] of read.data.words) {
    const path = pathInFile(option)
    words.set(option, { word, where: `${place(offsetOf(document, path))}: ${path.join('.')}` })
  }
  return {
    words,
    rules: read.data.rules,
    limits: read.data.limits,
    mistakes: ruleOrder(document, read.data.rules).map(({ offset, text }) => ({ where: place(offset), text })),
  }
}

const nothing: Omit<ConfigFile, 'mistakes'> = { words: new Map(), rules: [], limits: {} }

/** An empty file says nothing. */
function plainOf(document: Document): unknown {
  const plain: unknown = document.toJS()
  return plain ?? {}
}

interface Found {
  readonly offset: number
  readonly text: string
}

type Issue = NonNullable<ReturnType<typeof fileSchema.safeParse>['error']>['issues'][number]

function mistakesOf(document: Document, issue: Issue): Found[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      offset: offsetOf(document, [...issue.path, key], true),
      text: `there is no key ${JSON.stringify(key)} here${didYouMean(key, knownKeys(issue.path))}`,
    }))
  }
  const what = issue.path
    .filter((step) => typeof step !== 'number')
    .map(String)
    .join('.')
  return [{ offset: offsetOf(document, issue.path), text: `${what === '' ? 'the file' : what}: ${textOf(issue)}` }]
}

function textOf(issue: Issue): string {
  if (issue.code !== 'invalid_type') return issue.message
  if (issue.message.startsWith('a ') || issue.message.startsWith('must ')) return issue.message
  return issue.expected === 'object'
    ? 'a group of keys was expected here'
    : `${issue.expected === 'array' ? 'a list' : issue.expected} was expected here`
}

/** Where the value at a path begins (or its key); where there is none, what is around it. */
function offsetOf(document: Document, path: readonly PropertyKey[], key = false): number {
  const steps = path.map((step) => (typeof step === 'symbol' ? step.description : step))
  if (key) {
    const around: unknown = steps.length === 1 ? document.contents : document.getIn(steps.slice(0, -1), true)
    const pair = isMap(around) ? around.items.find((item) => isNode(item.key) && String(item.key) === String(steps.at(-1))) : undefined
    if (pair !== undefined && isNode(pair.key)) return pair.key.range?.[0] ?? 0
  }
  for (let length = steps.length; length > 0; length--) {
    const node: unknown = document.getIn(steps.slice(0, length), true)
    if (isNode(node) && node.range !== undefined && node.range !== null) return node.range[0]
  }
  return 0
}

/** The first rule whose pattern matches counts, so one behind `**`, or a pattern for the second time, never does. */
function ruleOrder(document: Document, rules: readonly RuleOptions[]): Found[] {
  const found: Found[] = []
  const seen = new Set<string>()
  for (const [index, { match }] of rules.entries()) {
    const hidden = seen.has('**') ? '**' : seen.has(match) ? match : undefined
    if (hidden !== undefined) {
      found.push({
        offset: offsetOf(document, ['channels', index, 'match']),
        text: `this rule never counts: "${hidden}" above it matches first`,
      })
    }
    seen.add(match)
  }
  return found
}
