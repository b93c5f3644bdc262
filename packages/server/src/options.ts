import { defaultRule, fixedLimits, limits as defaultLimits, patternProblem } from '@fanfare/wire'
import type { Keep, LimitName, Limits, Rule } from '@fanfare/wire'
import type { Engine, EngineOptions } from './engines/engine.ts'
import { defaultTransports, isTransportName, transportNames } from './transports/names.ts'
import type { TransportName } from './transports/names.ts'

/** Options of `createServer`; all have defaults. What is wrong with them is thrown as a TypeError that names the option. */
export interface ServerOptions {
  /** Address to listen on: `host:port`, `[v6]:port` or a port. Default `127.0.0.1:8000`; port 0 takes a free one. Not used when attached. */
  readonly listen?: string | number
  /** `disk` (default), `memory`, or what opens an engine of your own. */
  readonly engine?: 'disk' | 'memory' | ((options: EngineOptions) => Promise<Engine>)
  /** Directory of the disk engine, made where it is missing. Default `./fanfare-data`. */
  readonly data?: string
  /** Lets the disk engine open a damaged directory: what can't be read is moved aside, and receivers are told their gaps. Default false. */
  readonly repair?: boolean
  /** Speaks TLS on the port of its own. Not used when attached: there TLS is the application's. */
  readonly tls?: TlsOptions
  /** Transports to switch on. Default: all but `iframe` and `jsonp`. */
  readonly transports?: 'all' | readonly TransportName[]
  /** Origins of pages that may use the server, such as `https://app.example.com`. Default: those of the host that was asked for, and loopback ones on loopback. */
  readonly origins?: readonly string[]
  /** Hosts that the server answers for, such as `push.example.com`; with a port where it is not the scheme's own. */
  readonly hosts?: readonly string[]
  /** What is kept of which channels; the first whose pattern matches counts. */
  readonly rules?: readonly RuleOptions[]
  /** Limits that differ from their defaults. `fixedLimits` of @fanfare/wire names those that can't. */
  readonly limits?: Partial<Limits>
  /** Allows to listen on addresses that others can reach although nobody is authenticated. Default false. */
  readonly insecure?: boolean
  /** Compress WebSocket messages for clients that offer it. Default false. */
  readonly compression?: boolean
  readonly log?: Log
}

/** A certificate and its key, in PEM as files have them; `renewCertificate` of the server takes the next ones. */
export interface TlsOptions {
  /** The server's certificate first, then those between it and its authority. */
  readonly cert: string | Uint8Array
  /** The private key of the first one, not encrypted. */
  readonly key: string | Uint8Array
}

/** Where a Fanfare server stands on the server of an application. */
export interface AttachOptions {
  /** A path such as `/push`: all addresses of Fanfare are below it, and nothing else is touched. Default none: then only the addresses of its own. */
  readonly prefix?: string
}

/** A rule with what it leaves out. */
export interface RuleOptions {
  readonly match: string
  readonly keep?: Partial<Keep>
  readonly payloadBytes?: number
  readonly public?: boolean
}

/** Where the server says what happens to it; `pino()` fits. Nothing is logged by default. */
export interface Log {
  info(fields: Record<string, unknown>, message: string): void
  warn(fields: Record<string, unknown>, message: string): void
  error(fields: Record<string, unknown>, message: string): void
}

/** Options with every default in place. */
export interface Settings {
  readonly listen: { readonly host: string; readonly port: number }
  readonly engine: 'disk' | 'memory' | ((options: EngineOptions) => Promise<Engine>)
  readonly data: string
  readonly repair: boolean
  readonly tls: TlsOptions | undefined
  readonly transports: ReadonlySet<TransportName>
  readonly origins: readonly string[] | undefined
  readonly hosts: readonly string[] | undefined
  readonly rules: readonly Rule[]
  readonly limits: Limits
  readonly insecure: boolean
  readonly compression: boolean
  readonly log: Log
}

const silent: Log = { info() {}, warn() {}, error() {} }

export function settingsOf(options: ServerOptions): Settings {
  const limits = limitsOf(options.limits ?? {})
  return {
    listen: listenOf(options.listen ?? '127.0.0.1:8000'),
    engine: options.engine ?? 'disk',
    data: options.data ?? './fanfare-data',
    repair: options.repair ?? false,
    tls: options.tls,
    transports: transportsOf(options.transports),
    origins: options.origins?.map(originOf),
    hosts: options.hosts?.map((host) => host.toLowerCase()),
    rules: rulesOf(options.rules ?? [], limits),
    limits,
    insecure: options.insecure ?? false,
    compression: options.compression ?? false,
    log: options.log ?? silent,
  }
}

/** The path before all addresses: `/push`, or nothing. One slash at its end is taken away. */
export function prefixOf({ prefix = '' }: AttachOptions): string {
  const path = prefix.endsWith('/') ? prefix.slice(0, -1) : prefix
  if (path === '' && prefix === '') return path
  if (/^(?:\/(?!\.\.?(?:\/|$))[A-Za-z0-9._~-]+)+$/.test(path)) return path
  throw new TypeError(`prefix is a path such as /push, not ${JSON.stringify(prefix)}`)
}

/** Loopback addresses: only programs of this machine reach them. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host === '[::1]' || /^(?:::ffff:)?127(?:\.[0-9]{1,3}){3}$/.test(host)
}

function listenOf(listen: string | number): Settings['listen'] {
  const found = /^(?:(?:\[([0-9a-fA-F:.]+)\]|([^\s:[\]/]+)):)?([0-9]{1,5})$/.exec(String(listen))
  const port = Number(found?.[3])
  if (found === null || port > 65_535) throw new TypeError(`listen is host:port, not ${JSON.stringify(listen)}`)
  return { host: found[1] ?? found[2] ?? '127.0.0.1', port }
}

function transportsOf(transports: ServerOptions['transports']): ReadonlySet<TransportName> {
  if (transports === undefined) return new Set(defaultTransports)
  if (transports === 'all') return new Set(transportNames)
  for (const name of transports) {
    if (!isTransportName(name))
      throw new TypeError(`transports: there is no ${JSON.stringify(name)}; there are ${transportNames.join(', ')}`)
  }
  return new Set(transports)
}

/** An origin as browsers write it: scheme and host in lower case, without the scheme's own port. */
function originOf(origin: string): string {
  const url = URL.canParse(origin) ? new URL(origin) : undefined
  if (url === undefined || url.origin === 'null' || url.href !== `${url.origin}/`) {
    throw new TypeError(`origins: ${JSON.stringify(origin)} is no origin such as https://app.example.com`)
  }
  return url.origin
}

function rulesOf(rules: readonly RuleOptions[], limits: Limits): readonly Rule[] {
  const last = { ...defaultRule, payloadBytes: limits.payloadBytes }
  const full = rules.map((rule): Rule => {
    const problem = patternProblem(rule.match)
    if (problem !== undefined) throw new TypeError(`rules: ${JSON.stringify(rule.match)}: ${problem}`)
    return {
      match: rule.match,
      keep: { ...defaultRule.keep, ...rule.keep },
      payloadBytes: rule.payloadBytes ?? last.payloadBytes,
      public: rule.public ?? defaultRule.public,
    }
  })
  return full.at(-1)?.match === '**' ? full : [...full, last]
}

function limitsOf(given: Partial<Limits>): Limits {
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(defaultLimits, name)) throw new TypeError(`limits: there is no ${JSON.stringify(name)}`)
    if (!Number.isSafeInteger(value) || value < 1)
      throw new TypeError(`limits: ${name} is a whole number from 1, not ${JSON.stringify(value)}`)
    const fixed = fixedLimits.find((candidate) => candidate === name)
    if (fixed !== undefined && value !== defaultLimits[fixed]) throw new TypeError(`limits.${fixed} is fixed at ${defaultLimits[fixed]}`)
  }
  return { ...defaultLimits, ...(given satisfies { readonly [Name in LimitName]?: number }) }
}
