import { readFileSync } from 'node:fs'
import type { Keep } from '@fanfare/wire'
import type { TransportName } from '../transports/names.ts'
import { transportNames } from '../transports/names.ts'
import type { Site } from './site.ts'

/** What the page at `/` is told of the server and the channel that it shows. */
export interface PageFacts {
  readonly version: string
  readonly node: string
  readonly engine: { readonly name: string; readonly promise: string }
  /** Which are switched on. */
  readonly transports: Readonly<Record<string, boolean>>
  readonly channel: string
  /** Its name in an address. */
  readonly channelPath: string
  /** Why the name is none. */
  readonly problem?: string
  /** The offset of its newest publication, 0 where there is none. */
  readonly head: number
  /** What its rule keeps, in words. */
  readonly keep: string
  readonly limits: { readonly payload: string; readonly heartbeatMs: number }
  /** Lines for a terminal; `{url}` stands for the address of the channel. */
  readonly commands: readonly PageCommand[]
}

interface PageCommand {
  readonly what: string
  readonly line: string
}

/** `problem`: what is wrong with the channel's name. */
export async function factsOf(site: Site, channel: string, problem: string | undefined): Promise<PageFacts> {
  const { name, durable } = site.node.traits
  const rule = site.ruleOf(channel)
  // A store that has failed is a reason to look at the page, not to refuse it.
  const head = problem === undefined && site.node.ready ? (await site.node.facts(channel)).lastOffset : 0
  return {
    version: versionOf(),
    node: site.nodeName,
    engine: { name, promise: promises[durable] },
    transports: Object.fromEntries(transportNames.map((name) => [name, isOn(site, name)])),
    channel,
    channelPath: pathOf(channel),
    ...(problem === undefined ? {} : { problem }),
    head,
    keep: keepText(rule.keep),
    limits: { payload: `up to ${sizeText(rule.payloadBytes)}`, heartbeatMs: site.settings.limits.heartbeatMs },
    commands: commandsOf(site),
  }
}

/** What `/` says to curl. */
export function textOf(site: Site, channel: string, base: string): string {
  const { name, durable } = site.node.traits
  const url = `${base}channels/${pathOf(channel)}`.replaceAll("'", '%27')
  const lines = commandsOf(site).map(({ what, line }) => `${what.padEnd(20)}${line.replace('{url}', url)}`)
  return [
    `Fanfare ${versionOf()}, a push server for the web. Engine ${name}: ${promises[durable]}.`,
    '',
    ...lines,
    '',
    `${'all addresses'.padEnd(20)}${base}openapi.json`,
    `${'in a browser'.padEnd(20)}${base}?channel=${encodeURIComponent(channel)}`,
    '',
  ].join('\n')
}

const promises = {
  synced: 'on the disk before the 201',
  replicated: 'on several nodes before the 201',
  memory: 'publications end with the process',
} as const

const commands: readonly (PageCommand & { readonly transport?: TransportName })[] = [
  { what: 'publish', line: "curl -d 'hello' '{url}'" },
  { what: 'Server-Sent Events', line: "curl -N -H 'Accept: text/event-stream' '{url}'", transport: 'sse' },
  { what: 'NDJSON', line: "curl -N -H 'Accept: application/x-ndjson' '{url}'", transport: 'stream' },
  { what: 'long-poll', line: "curl '{url}?wait=25'", transport: 'long-poll' },
  { what: 'poll, the last 10', line: "curl '{url}?last=10'", transport: 'poll' },
]

function commandsOf(site: Site): readonly PageCommand[] {
  return commands.filter(({ transport }) => transport === undefined || isOn(site, transport)).map(({ what, line }) => ({ what, line }))
}

function isOn(site: Site, name: TransportName): boolean {
  return site.settings.transports.has(name) && site.transports.has(name)
}

function pathOf(channel: string): string {
  return channel
    .split('/')
    .map((segment) => encodeURIComponent(segment))
    .join('/')
}

function keepText({ publications, ageMs, bytes }: Keep): string {
  const parts = [
    publications === null ? undefined : `${publications.toLocaleString('en')} publications`,
    ageMs === null ? undefined : durationText(ageMs),
    bytes === null ? undefined : sizeText(bytes),
  ].filter((part) => part !== undefined)
  return parts.length === 0 ? 'everything' : `${parts.join(', ')} of a channel`
}

function durationText(ms: number): string {
  if (ms % 3_600_000 === 0) return `${ms / 3_600_000} h`
  return ms % 60_000 === 0 ? `${ms / 60_000} min` : `${ms / 1000} s`
}

function sizeText(bytes: number): string {
  if (bytes % (1024 * 1024) === 0) return `${bytes / (1024 * 1024)} MiB`
  return bytes % 1024 === 0 ? `${bytes / 1024} KiB` : `${bytes} bytes`
}

let version: string | undefined

/** That of the package. */
function versionOf(): string {
  version ??= (JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { readonly version: string }).version
  return version
}
