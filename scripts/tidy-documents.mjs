// What the reference says is what the code has, both ways: errors, limits, metrics, addresses, flags.
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

/** Findings as sentences. A page is compared with the names that its part of the code defines. */
export function* checkDocuments(root) {
  const read = (path) => (existsSync(join(root, path)) ? readFileSync(join(root, path), 'utf8') : '')
  const keysOf = (path, pattern) => [...read(path).matchAll(pattern)].map((match) => match[1])

  yield* compare(
    'docs/reference/errors.md',
    read('docs/reference/errors.md'),
    /^\| `([a-z-]+)` \|/gm,
    keysOf('packages/wire/src/errors.ts', /^ {2}'?([a-z-]+)'?: \{ status/gm),
  )
  yield* compare(
    'docs/reference/options.md (limits)',
    section(read('docs/reference/options.md'), 'Limits'),
    /^\| `([A-Za-z]+)` \|/gm,
    keysOf('packages/wire/src/limits.ts', /^ {2}([a-zA-Z]+): [^\n]+,$/gm),
  )
  yield* compare('docs/reference/metrics.md', read('docs/reference/metrics.md'), /^\| `(fanfare_[a-z_]+)` \|/gm, metricNames(root))
  yield* compare(
    'docs/reference/addresses.md',
    read('docs/reference/addresses.md'),
    /^\| `(\/[^`]*)` \|/gm,
    addresses(read('packages/server/src/http/openapi.json')),
  )
  for (const path of ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'LICENSE'])
    if (read(path) === '') yield `${path} is missing`
  const map = read('ARCHITECTURE.md').split('\n').length - 1
  if (map > 150) yield `ARCHITECTURE.md has ${map} lines; a map has at most 150`
  yield* brokenLinks(root)
}

function* compare(page, text, pattern, inCode) {
  const inPage = [...text.matchAll(pattern)].map((match) => match[1])
  if (inCode.length === 0) yield `${page}: found nothing in the code to compare it with`
  for (const name of inCode) if (!inPage.includes(name)) yield `${page} does not name ${name}, which the code has`
  for (const name of inPage) if (!inCode.includes(name)) yield `${page} names ${name}, which the code does not have`
}

function section(text, title) {
  const from = text.indexOf(`## ${title}`)
  if (from < 0) return ''
  const to = text.indexOf('\n## ', from + 3)
  return text.slice(from, to < 0 ? undefined : to)
}

function metricNames(root) {
  const folder = join(root, 'packages/server/src/http')
  if (!existsSync(folder)) return []
  const text = readdirSync(folder)
    .filter((file) => file.startsWith('metric'))
    .map((file) => readFileSync(join(folder, file), 'utf8'))
    .join('\n')
  return [...new Set([...text.matchAll(/'(fanfare_[a-z_]+)'/g)].map((match) => match[1]))]
}

function addresses(json) {
  return json === '' ? [] : Object.keys(JSON.parse(json).paths)
}

/** Links between the project's own pages must lead somewhere. */
function* brokenLinks(root) {
  const pages = ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'CHANGELOG.md']
  for (const folder of ['docs/guide', 'docs/reference', 'docs/decisions']) {
    if (existsSync(join(root, folder)))
      pages.push(
        ...readdirSync(join(root, folder))
          .filter((file) => file.endsWith('.md'))
          .map((file) => `${folder}/${file}`),
      )
  }
  for (const page of pages) {
    if (!existsSync(join(root, page))) continue
    for (const [, target] of readFileSync(join(root, page), 'utf8').matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)[^)]*\)/g)) {
      if (!existsSync(join(root, page, '..', target))) yield `${page} links to ${target}, which is not there`
    }
  }
}
