import { FanfareError } from '@fanfare/wire'
import type { Settings } from '../options.ts'
import { isLoopback } from '../options.ts'

/** What of a request the guard looks at. */
export interface Visitor {
  /** The first Host, and how many there are. */
  readonly host: string | undefined
  readonly hosts: number
  readonly origin: string | undefined
  readonly origins: number
  /** Of a target in absolute form. */
  readonly authority: string | undefined
  /** HTTP/1.0 has no Host. */
  readonly hostless: boolean
}

/** One guard stands before every address and every upgrade. It answers the allowed origin, or undefined without one; else it throws. */
export interface Guard {
  check(visitor: Visitor): string | undefined
  /** May pages of this origin use the server that was asked for as `host`, which has passed? */
  allows(origin: string, host: string | undefined): boolean
}

export type GuardSettings = Pick<Settings, 'hosts' | 'origins' | 'insecure'> & {
  /** Only this machine reaches the server: pages of loopback origins may use it under a loopback Host, and a foreign Host is DNS rebinding. */
  readonly loopback: boolean
}

const mostRemembered = 1000
const mostPort = 65_535
const refusedHost = 'this server does not answer for that host; its option hosts lists those that it answers for'

export function createGuard(settings: GuardSettings): Guard {
  const hostAllowed = remembered((host) => isHostAllowed(host, settings))
  return {
    allows: (origin, host) => isOriginAllowed(origin, host?.toLowerCase(), settings),
    check(visitor) {
      const host = hostOf(visitor)
      if (host === undefined ? !visitor.hostless : !hostAllowed(host)) {
        throw new FanfareError('host-refused', host === undefined ? 'a request has one Host' : refusedHost)
      }
      const { origin } = visitor
      if (visitor.origins === 0 || origin === undefined) return undefined
      if (visitor.origins === 1 && isOriginAllowed(origin, host, settings)) return origin
      throw new FanfareError('origin-refused', 'pages of that origin may not use this server; its option origins lists those that may')
    },
  }
}

/** The one host that a request is for, in lower case; a target in absolute form and a Host that differs are two. */
function hostOf({ host, hosts, authority, hostless }: Visitor): string | undefined {
  if (hosts > 1) throw new FanfareError('request-malformed', 'a request has one Host')
  if (host === undefined && hostless) return authority?.toLowerCase()
  if (host === undefined) throw new FanfareError('request-malformed', 'a request has a Host')
  if (authority !== undefined && authority.toLowerCase() !== host.toLowerCase()) {
    throw new FanfareError('host-refused', 'the target and the Host name two servers')
  }
  return host.toLowerCase()
}

const hostShape = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?$/

function isHostAllowed(host: string, settings: GuardSettings): boolean {
  const found = hostShape.exec(host)
  const name = found?.[1]
  if (name === undefined || Number(found?.[2] ?? 0) > mostPort) return false
  if (settings.hosts?.some((allowed) => allowed === host || allowed === name) === true) return true
  if (settings.loopback) return isLoopback(name)
  return settings.hosts === undefined && settings.insecure
}

const originShape = /^(https?):\/\/((?:\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::[0-9]{1,5})?)$/

function isOriginAllowed(origin: string, host: string | undefined, settings: GuardSettings): boolean {
  if (settings.origins?.includes(origin) === true) return true
  const found = originShape.exec(origin)
  const authority = found?.[2]
  if (authority === undefined || Number(/:([0-9]+)$/.exec(authority)?.[1] ?? 0) > mostPort) return false
  if (host === undefined) return false
  // Behind a proxy everybody has a localhost of their own: only a request that names this machine itself comes from a page on it.
  if (settings.loopback && isLoopback(portless(host)) && isLoopback(portless(authority))) return true
  // A page of this very server: its Host has passed. The proxy before it may speak TLS, so that either scheme is its own. A list of origins says it all.
  return settings.origins === undefined && withoutPort(authority, found?.[1]) === withoutPort(host, found?.[1])
}

function portless(authority: string): string {
  return authority.replace(/:[0-9]+$/, '')
}

/** Without the port that goes without saying. */
function withoutPort(authority: string, scheme: string | undefined): string {
  return authority.replace(scheme === 'https' ? /:443$/ : /:80$/, '')
}

/** Host names repeat: the verdicts are kept, but not without end. */
function remembered(decide: (text: string) => boolean): (text: string) => boolean {
  const verdicts = new Map<string, boolean>()
  return (text) => {
    const known = verdicts.get(text)
    if (known !== undefined) return known
    if (verdicts.size >= mostRemembered) verdicts.clear()
    const verdict = decide(text)
    verdicts.set(text, verdict)
    return verdict
  }
}
