#!/usr/bin/env node
// The house's rules as code: who may import whom, how large a file may grow, which calls are forbidden where, and whether the
// documents say what the code has. Prints each finding with its place and the way to mend it; exits 1 where there is one.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { checkDocuments } from './tidy-documents.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const findings = []
const report = (file, line, text) => findings.push(`${file}${line === 0 ? '' : `:${line}`}  ${text}`)

const files = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], { cwd: root, encoding: 'utf8' })
  .split('\n')
  .filter((file) => /\.(ts|mjs)$/.test(file) && existsSync(join(root, file)))
const sources = files.filter((file) => /^packages\/[^/]+\/src\//.test(file))

/** Rooms of the house, the first that matches, with the rooms whose values each may import. Types of contracts may be imported from above. */
const rooms = [
  { name: 'wire', at: /^packages\/wire\/src\//, may: [] },
  { name: 'runtime', at: /^packages\/server\/src\/runtime\.ts$/, may: ['wire'], node: true },
  { name: 'options', at: /^packages\/server\/src\/options\.ts$/, may: ['wire', 'transports'], types: ['engines'], node: true },
  { name: 'disk', at: /^packages\/server\/src\/engines\/disk\//, may: ['wire'], types: ['engines'], node: true },
  { name: 'engines', at: /^packages\/server\/src\/engines\//, may: ['wire'] },
  { name: 'protocols', at: /^packages\/server\/src\/protocols\//, may: ['wire'], types: ['core'] },
  { name: 'core', at: /^packages\/server\/src\/core\//, may: ['wire'], types: ['engines'] },
  {
    name: 'transports',
    at: /^packages\/server\/src\/transports\//,
    may: ['wire', 'core'],
    types: ['protocols'],
    node: true,
    packages: ['ws'],
  },
  {
    name: 'http',
    at: /^packages\/server\/src\/http\//,
    may: ['wire', 'core', 'transports', 'protocols', 'options'],
    types: ['engines', 'server'],
    node: true,
    packages: ['ws'],
  },
  {
    name: 'server',
    at: /^packages\/server\/src\//,
    may: ['wire', 'core', 'transports', 'protocols', 'engines', 'disk', 'http', 'options', 'runtime'],
    node: true,
  },
  { name: 'command', at: /^packages\/fanfare\/src\//, may: ['wire', 'server'], node: true, packages: ['ws', 'yaml', 'zod'] },
  {
    name: 'conformance',
    at: /^packages\/conformance\/src\//,
    may: ['wire', 'server'],
    node: true,
    packages: ['ws', 'vitest', 'fast-check'],
  },
]
const roomOf = (file) => rooms.find((room) => room.at.test(file))
const workspaces = { '@fanfare/wire': 'wire', '@fanfare/server': 'server' }

/** Names that core must never learn. */
const foreign =
  /\b(websocket|sse|ndjson|jsonp|iframe|multipart|stomp|socket\.?io|sockjs|mqtt|redis|nats|long-?poll|fanfare\.v1|eventsource)\b/i

const forbiddenCalls = [
  {
    at: /^packages\/server\/src\/(core|engines)\//,
    except: /-worker\.ts$/,
    call: /\b(Date\.now|Math\.random|performance\.now|randomBytes|randomUUID)\s*\(/,
    say: 'take time and chance from Runtime',
  },
  {
    at: /^packages\/server\/src\/(core|engines)\//,
    except: /-worker\.ts$/,
    call: /\b(setTimeout|setInterval|setImmediate)\s*\(/,
    say: 'take timers from Runtime',
  },
  { at: /^packages\/(wire|server|conformance)\/src\//, call: /\bprocess\.exit\s*\(/, say: 'a library never ends the process' },
  { at: /^packages\/(wire|server)\/src\//, call: /\bconsole\.\w+\s*\(/, say: 'use the log that was handed in' },
]

for (const file of files) checkSize(file)
for (const file of sources) checkSource(file)
checkCycles()
for (const text of checkDocuments(root)) report('docs', 0, text)

if (findings.length > 0) {
  process.stderr.write(`${findings.join('\n')}\ntidy: ${findings.length} findings\n`)
  process.exit(1)
}
process.stdout.write(`tidy: ${files.length} files in order\n`)

function checkSize(file) {
  const lines = readFileSync(join(root, file), 'utf8').split('\n').length - 1
  if (lines > 500) report(file, 0, `has ${lines} lines; 500 are the most, about 300 the aim: split it by meaning`)
}

function checkSource(file) {
  const room = roomOf(file)
  if (room === undefined) return report(file, 0, 'stands in no room of the house: add it to scripts/tidy.mjs and HOUSE')
  const text = readFileSync(join(root, file), 'utf8')
  for (const found of importsOf(text)) checkImport(file, room, found)
  text.split('\n').forEach((line, index) => {
    const code = line.replace(/\/\/.*$|^\s*\*.*$|\/\*.*?\*\//g, '')
    for (const rule of forbiddenCalls) {
      if (rule.at.test(file) && !(rule.except?.test(file) ?? false) && rule.call.test(code))
        report(file, index + 1, `calls ${rule.call.exec(code)?.[1] ?? 'what is forbidden'}: ${rule.say}`)
    }
    if (room.name === 'core' && foreign.test(code))
      report(file, index + 1, `core names "${foreign.exec(code)?.[0]}": what differs between transports is a trait`)
  })
}

function* importsOf(text) {
  const pattern = /^\s*(?:import|export)\s+(type\s+)?(?:[^'";]*?\sfrom\s+)?'([^']+)'|import\('([^']+)'\)/gm
  for (const match of text.matchAll(pattern)) {
    const line = text.slice(0, match.index).split('\n').length
    yield { type: match[1] !== undefined, from: match[2] ?? match[3], line }
  }
}

function checkImport(file, room, found) {
  const { from, line } = found
  if (from.startsWith('node:')) {
    if (room.node !== true && !found.type) report(file, line, `${room.name} imports ${from}: Node stays outside of this room`)
    return
  }
  const target = from.startsWith('.') ? roomOf(relative(root, resolve(root, dirname(file), from)))?.name : workspaces[from]
  if (target === undefined) {
    if (!(room.packages ?? []).includes(from)) report(file, line, `${room.name} imports ${from}, which only the room that owns it may`)
    return
  }
  if (target === room.name || room.may.includes(target)) return
  if (found.type && (room.types ?? []).includes(target)) return
  report(file, line, `${room.name} imports ${target} (${from}): ${found.type ? 'not even its types' : 'only what stands on a lower floor'}`)
}

/** Value imports between files must have no cycle. */
function checkCycles() {
  const edges = new Map(sources.map((file) => [file, valueImports(file)]))
  const state = new Map()
  const visit = (file, path) => {
    if (state.get(file) === 'done') return
    if (state.get(file) === 'open') return report(file, 0, `imports itself by way of ${path.slice(path.indexOf(file)).join(' -> ')}`)
    state.set(file, 'open')
    for (const next of edges.get(file) ?? []) visit(next, [...path, file])
    state.set(file, 'done')
  }
  for (const file of sources) visit(file, [])
}

function valueImports(file) {
  const text = readFileSync(join(root, file), 'utf8')
  return [...importsOf(text)]
    .filter(({ type, from }) => !type && from.startsWith('.'))
    .map(({ from }) => relative(root, resolve(root, dirname(file), from)))
}
