import { readFileSync } from 'node:fs'
import { assertChannel, FanfareError, negotiate, orThrow } from '@fanfare/wire'
import type { Exchange } from './exchange.ts'
import { work, writeHead } from './exchange.ts'
import type { PageFacts } from './page-facts.ts'
import { factsOf, textOf } from './page-facts.ts'
import { onlyValue, parseQuery } from './target.ts'

/** `/`: to browsers a page that shows all transports at work on a channel (`?channel=`), to everybody else a few lines of text. */
export function page(exchange: Exchange): void {
  const { site, req, target } = exchange
  const channel = orThrow(onlyValue(orThrow(parseQuery(target.query)), 'channel')) ?? 'demo'
  const problem = problemOfChannel(channel)
  if (negotiate(req.headers.accept, ['text/plain', 'text/html']) === 'text/html') {
    return work(exchange, async () => answerPage(exchange, await factsOf(site, channel, problem?.message)))
  }
  if (problem !== undefined) throw problem
  answerWith(exchange, 'text/plain; charset=utf-8', textOf(site, channel, baseOf(exchange)), [])
}

function problemOfChannel(channel: string): FanfareError | undefined {
  try {
    assertChannel(channel)
  } catch (error) {
    if (error instanceof FanfareError) return error
    throw error
  }
  return undefined
}

/** The server's own address as the client wrote it: the guard has let its Host pass. Only said back, so that it may come from a proxy. */
function baseOf({ req, site }: Exchange): string {
  const secure = 'encrypted' in req.socket || req.headers['x-forwarded-proto'] === 'https'
  const { host, port } = site.settings.listen
  return `${secure ? 'https' : 'http'}://${req.headers.host ?? `${host}:${port}`}${site.prefix}/`
}

const nonceBytes = 18

function answerPage(exchange: Exchange, facts: PageFacts): void {
  const nonce = Buffer.from(exchange.site.random(nonceBytes)).toString('base64url')
  const json = JSON.stringify(facts).replaceAll('<', '\\u003c')
  const body = template().replaceAll(/\{\{nonce\}\}|"\{\{facts\}\}"/g, (place) => (place === '{{nonce}}' ? nonce : json))
  answerWith(exchange, 'text/html; charset=utf-8', body, [
    'Content-Security-Policy',
    policyOf(nonce, facts.transports['iframe'] === true),
    // What is asked for by script elements and frames is known by it (script-guard.ts).
    'Referrer-Policy',
    'same-origin',
  ])
}

/** Nothing comes from elsewhere, and nothing of a payload can run; JSONP's script elements bear the nonce too. */
function policyOf(nonce: string, frames: boolean): string {
  const rules = [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    `style-src 'nonce-${nonce}'`,
    "connect-src 'self'",
    'img-src data:',
    ...(frames ? ["frame-src 'self'"] : []),
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ]
  return rules.join('; ')
}

function answerWith(exchange: Exchange, type: string, body: string, fields: readonly string[]): void {
  const length = String(Buffer.byteLength(body))
  writeHead(exchange, 200, ['Content-Type', type, 'Content-Length', length, 'Cache-Control', 'no-store', 'Vary', 'Accept', ...fields])
  exchange.res.end(body)
}

/** Its modules, each after those that it imports from. */
const scripts = ['dom', 'messages', 'slots', 'streams', 'polls', 'lane', 'lane-view', 'send', 'publish', 'commands', 'facts', 'main']
const styles = ['page', 'lanes']
let joined: string | undefined

/** The page with its style and its script, which is one module of all: they share their names, so that nothing is imported. */
function template(): string {
  joined ??= narrowed(
    filled(fileOf('page.html'), {
      style: styles.map((name) => asRules(fileOf(`${name}.css`))).join(''),
      script: scripts.map((name) => withoutImports(fileOf(`${name}.js`))).join('\n'),
    }),
  )
  return joined
}

/** The same place from `src` and from `dist`; the folder is published beside `dist`. */
function fileOf(name: string): string {
  return readFileSync(new URL(`../../page/${name}`, import.meta.url), 'utf8')
}

function filled(text: string, values: Readonly<Record<string, string>>): string {
  return text.replaceAll(/\/\* \{\{(style|script)\}\} \*\//g, (_, name: string) => values[name] ?? '')
}

/** Half of the space at the beginning of lines, which is enough to read it by. */
function narrowed(text: string): string {
  return text.replaceAll(/^ +/gm, (space) => space.slice(space.length / 2))
}

/** A rule is a line. */
function asRules(style: string): string {
  return style.replaceAll(/ *\/\*[^]*?\*\/\n|\n(?: +|(?=\}))/g, '')
}

/** Comments stay with the source too. */
function withoutImports(module: string): string {
  return module.replaceAll(/^import [^']*'[^']*'\n+|^ *\/\*\*[^]*?\*\/\n|^ *\/\/.*\n/gm, '').replaceAll(/^export /gm, '')
}
