// What the documents say is what the code has, both ways: errors, limits, options, metrics, addresses, parameters, headers; and their links lead somewhere.
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

/** Findings as sentences. */
export function* checkDocuments(root) {
  const read = (path) => (existsSync(join(root, path)) ? readFileSync(join(root, path), 'utf8') : '')
  const codes = errorRows(read('packages/wire/src/errors.ts'))
  const metrics = metricRows(read('packages/server/src/http/metrics.ts'))
  yield* compareRows('docs/reference/errors.md', tableRows(read('docs/reference/errors.md'), /^`[a-z-]+`$/), codes)
  yield* compareRows('docs/reference/metrics.md', tableRows(read('docs/reference/metrics.md'), /^`fanfare_/), metrics)
  yield* checkOptions(read)
  yield* checkAddresses(read)
  yield* checkWords(read)
  for (const path of ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'LICENSE'])
    if (read(path) === '') yield `${path} is missing`
  const map = read('ARCHITECTURE.md').split('\n').length - 1
  if (map > 150) yield `ARCHITECTURE.md has ${map} lines; a map has at most 150`
  const pages = pagesOf(root)
  yield* brokenLinks(root, pages)
  for (const page of pages) yield* checkMentions(page, read(page), codes, metrics)
}

/** Rows of all tables of a page whose first cell matches, as cells. */
function tableRows(text, first) {
  return [...text.matchAll(/^\| (.*) \|$/gm)]
    .map(([, row]) => `${row} `.split('| ').map((cell) => cell.trim()))
    .filter(([cell]) => first.test(cell))
}

/** Each row of the code stands on the page, cell for cell (a cell may be a pattern, or undefined for any), and no other. */
function* compareRows(page, inPage, inCode) {
  if (inCode.length === 0) yield `${page}: found nothing in the code to compare it with`
  for (const wanted of inCode) {
    const found = inPage.find(([name]) => name === wanted[0])
    if (found === undefined) {
      yield `${page} does not name ${wanted[0]}, which the code has`
      continue
    }
    for (const [index, cell] of wanted.entries()) {
      const given = found[index] ?? ''
      const fits = cell === undefined || (cell instanceof RegExp ? cell.test(given) : given === cell)
      if (!fits) yield `${page} says of ${wanted[0]} "${given}", where the code has "${cell}"`
    }
  }
  const known = new Set(inCode.map(([name]) => name))
  for (const [name] of inPage) if (!known.has(name)) yield `${page} names ${name}, which the code does not have`
}

function errorRows(source) {
  const rows = source.matchAll(/^ {2}'?([a-z-]+)'?: \{ status: (\d+), title: '([^']+)', retry: (true|false) \},$/gm)
  return [...rows].map(([, code, status, title, retry]) => [`\`${code}\``, status, title, retry === 'true' ? 'yes' : 'no'])
}

function metricRows(source) {
  const flat = source.replaceAll(/\s+/g, ' ')
  const families = [...flat.matchAll(/'(fanfare_[a-z_]+)', '(counter|gauge|histogram)', '([^']+)'/g)].map(([, ...row]) => row)
  const written = [
    ...flat.matchAll(/const name = '(fanfare_[a-z_]+)' lines\.push\(`# HELP \$\{name\} ([^`]+)`, `# TYPE \$\{name\} ([a-z]+)`/g),
  ]
  return [...families, ...written.map(([, name, help, kind]) => [name, kind, help])].map(([name, kind, help]) => [
    `\`${name}\``,
    kind,
    help,
  ])
}

/** Flags, environment, keys and defaults; and the limits with theirs. */
function* checkOptions(read) {
  const page = 'docs/reference/options.md'
  const text = read(page)
  yield* compareRows(`${page} (flags)`, tableRows(text, /^`--/), optionRows(read('packages/fanfare/src/options.ts')))
  const members = /export interface ServerOptions \{\n([\s\S]*?)\n\}/.exec(read('packages/server/src/options.ts'))?.[1] ?? ''
  for (const [, name] of members.matchAll(/^ {2}readonly ([a-zA-Z]+)\?:/gm))
    if (!new RegExp(`\`${name}[\`.:]`).test(text)) yield `${page} does not name ${name}, which createServer takes`
  const limits = limitRows(read('packages/wire/src/limits.ts'))
  yield* compareRows(`${page} (limits)`, tableRows(section(text, 'Limits'), /^`[A-Za-z]+`$/), limits)
}

function optionRows(source) {
  const table = /export const options = \{\n([\s\S]*?)\n\} as const/.exec(source)?.[1] ?? ''
  return [...table.matchAll(/^ {2}'?([a-z-]+)'?: option\(([\s\S]*?)(?=^ {2}'?[a-z-]+'?: option\(|$(?![\s\S]))/gm)].map(([, name, body]) => {
    const key = /inFile: (false|\[[^\]]*\])/.exec(body)?.[1] ?? name
    const byDefault = /byDefault: '([^']+)'/.exec(body)?.[1]
    const inFile = key.startsWith('[') ? [...key.matchAll(/'([^']+)'/g)].map(([, part]) => part).join('.') : key
    return [
      `\`--${name}\``,
      `\`FANFARE_${name.toUpperCase().replaceAll('-', '_')}\``,
      key === 'false' ? '' : `\`${inFile}\``,
      byDefault === undefined ? undefined : byDefault === 'false' ? 'off' : literally(byDefault),
    ]
  })
}

/** The words of a default, whichever of them are set as code. */
function literally(words) {
  return new RegExp(
    `^${words.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`).replaceAll(/\S+/g, (word) => `\`?${word}`)}\`?$`.replaceAll(',', '`?,'),
  )
}

const units = { KiB: 1024, MiB: 1024 ** 2, second: 1000, minute: 60_000, hour: 3_600_000 }

function limitRows(source) {
  const fixed = new Set(
    [...(/fixedLimits[^[]*\[\]? = \[([^\]]*)\]/.exec(source)?.[1] ?? '').matchAll(/'([^']+)'/g)].map(([, name]) => name),
  )
  const table = /export const limits = \{\n([\s\S]*?)\n\} as const/.exec(source)?.[1] ?? ''
  return [...table.matchAll(/^ {2}([a-zA-Z]+): ([^\n]+),$/gm)].map(([, name, expression]) => {
    const value = expression.split(' * ').reduce((product, factor) => product * (units[factor] ?? Number(factor.replaceAll('_', ''))), 1)
    return [`\`${name}\``, `${limitText(name, value)}${fixed.has(name) ? ', fixed' : ''}`]
  })
}

function limitText(name, value) {
  if (name.endsWith('Bytes')) {
    const [unit, size] = Object.entries({ MiB: units.MiB, KiB: units.KiB }).find(([, size]) => value % size === 0) ?? ['bytes', 1]
    return `${value / size} ${unit}`
  }
  if (!name.endsWith('Ms')) return value.toLocaleString('en')
  if (value % (24 * units.hour) === 0) return `${value / (24 * units.hour)} days`
  return value % units.minute === 0 ? `${value / units.minute} min` : `${value / units.second} s`
}

/** Addresses with their methods, parameters of queries, and header fields, which CORS lets pages use. */
function* checkAddresses(read) {
  const page = 'docs/reference/addresses.md'
  const text = read(page)
  const json = read('packages/server/src/http/openapi.json')
  if (json === '') return void (yield 'packages/server/src/http/openapi.json is missing')
  const { paths, components } = JSON.parse(json)
  const methods = Object.entries(paths).map(([path, item]) => {
    const operations = Object.fromEntries(Object.entries(item).filter(([method]) => method !== 'parameters'))
    const [only] = Object.values(operations)
    const upgradeOnly = Object.keys(only.responses).includes('101') && !Object.keys(only.responses).includes('200')
    const names = Object.keys(operations).map((method) => method.toUpperCase())
    return [
      `\`${path}\``,
      new RegExp(
        `^${upgradeOnly ? 'WebSocket' : `(?=${names.map((name) => `.*\\b${name}\\b`).join(')(?=')})[A-Z, ]{${names.join(', ').length}}`}$`,
      ),
    ]
  })
  yield* compareRows(page, tableRows(text, /^`\//), methods)
  const parameters = Object.values(components.parameters)
  const inQuery = parameters.filter((parameter) => parameter.in === 'query').map(({ name }) => [`\`${name}\``])
  yield* compareRows(
    `${page} (parameters)`,
    tableRows(section(text, 'Receive'), /^`[a-zA-Z]+`$/).filter((row) => row.length === 2),
    inQuery,
  )
  const entry = read('packages/server/src/http/entry.ts')
  const listed = (constant) => (new RegExp(`const ${constant} = '([^']+)'`).exec(entry)?.[1] ?? '').split(', ')
  const fields = [...listed('allowedHeaders').map((name) => [name, 'request']), ...listed('exposed').map((name) => [name, 'answer'])]
  yield* compareRows(
    `${page} (headers)`,
    tableRows(section(text, 'Headers'), /^`[A-Za-z-]+`$/),
    fields.map(([name, side]) => [`\`${name}\``, side]),
  )
  const described = [
    ...json.matchAll(/"name": "([A-Z][A-Za-z]*(?:-[A-Za-z]+)+)"|"((?:Fanfare|Idempotent|Preference|Retry)-[A-Za-z]+)": \{/g),
  ]
  for (const [, parameter, header] of described)
    if (!fields.some(([name]) => name === (parameter ?? header)))
      yield `openapi.json names ${parameter ?? header}, which pages of other origins can not use`
}

/** Lists of the code whose words stand in a table, one a row. */
function* checkWords(read) {
  const listOf = (path, name) =>
    [...(new RegExp(`const ${name} = \\[([^\\]]*)\\]`).exec(read(path))?.[1] ?? '').matchAll(/'([^']+)'/g)].map(([, word]) => word)
  const transports = listOf('packages/server/src/transports/names.ts', 'transportNames')
  const verbs = listOf('packages/wire/src/commands.ts', 'verbs')
  const reasons = listOf('packages/wire/src/publication.ts', 'gapReasons')
  const addresses = read('docs/reference/addresses.md')
  const between = (text, from, to) => text.slice(text.indexOf(from), text.indexOf(to))
  const sent = between(addresses, '### What each transport sends', '### Server-Sent Events')
  const guide = between(read('docs/guide/transports.md'), '# Choose', '## What proxies do')
  for (const [page, text, words] of [
    ['docs/reference/addresses.md (transports)', sent, transports],
    ['docs/reference/addresses.md (verbs)', between(addresses, '| verb |', 'What the server says by itself'), verbs],
    ['docs/guide/transports.md', guide, transports],
    ['docs/guide/resume.md (gaps)', section(read('docs/guide/resume.md'), 'Gaps'), reasons],
  ]) {
    const first = tableRows(text, /^`[a-z0-9-]+`(?:, `[a-z0-9-]+`)*$/).flatMap(([cell]) => cell.split(', '))
    yield* compareRows(
      page,
      first.map((name) => [name]),
      words.map((name) => [`\`${name}\``]),
    )
  }
}

/** From a heading to the next one of its level. */
function section(text, title) {
  const from = text.indexOf(`## ${title}`)
  if (from < 0) return ''
  const to = text.indexOf('\n## ', from + 3)
  return text.slice(from, to < 0 ? undefined : to)
}

/** A status with a code is that code's, and a metric that is named is there. */
function* checkMentions(page, text, codes, metrics) {
  for (const [mention, status, code] of text.matchAll(/\b([45]\d\d) `([a-z-]+)`/g)) {
    const row = codes.find(([name]) => name === `\`${code}\``)
    if (row === undefined || row[1] !== status)
      yield `${page} says ${mention}, and the table of errors ${row === undefined ? 'has no such code' : row[1]}`
  }
  const names = metrics.map(([name]) => name.replaceAll('`', ''))
  for (const [name] of text.matchAll(/\bfanfare_[a-z]+_[a-z_]+/g))
    if (!names.includes(name.replace(/(?<=seconds)_(?:bucket|sum|count)$/, '')))
      yield `${page} names the metric ${name}, which the code does not have`
}

function pagesOf(root) {
  const folders = ['docs/guide', 'docs/reference', 'docs/decisions'].filter((folder) => existsSync(join(root, folder)))
  const inFolders = folders.flatMap((folder) =>
    readdirSync(join(root, folder))
      .filter((file) => file.endsWith('.md'))
      .map((file) => `${folder}/${file}`),
  )
  return ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'CHANGELOG.md', ...inFolders].filter((page) => existsSync(join(root, page)))
}

/** Links between the project's own pages must lead somewhere, to the heading that they name. */
function* brokenLinks(root, pages) {
  for (const page of pages) {
    const text = readFileSync(join(root, page), 'utf8')
    for (const [, target] of text.matchAll(/\]\((?!https?:|mailto:)([^)\s]+)\)/g)) {
      const [path = '', anchor] = target.split('#')
      const file = path === '' ? page : join(page, '..', path)
      if (!existsSync(join(root, file))) yield `${page} links to ${target}, which is not there`
      else if (anchor !== undefined && file.endsWith('.md') && !anchorsOf(readFileSync(join(root, file), 'utf8')).has(anchor))
        yield `${page} links to ${target}, a heading that is not there`
    }
  }
}

/** As GitHub makes them of headings. */
function anchorsOf(text) {
  return new Set(
    [...text.replaceAll(/^```[\s\S]*?^```$/gm, '').matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  )
}
