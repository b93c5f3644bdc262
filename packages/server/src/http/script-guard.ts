import type { IncomingHttpHeaders } from 'node:http'
import { FanfareError } from '@fanfare/wire'
import type { Guard } from './guard.ts'

/**
 * Script elements and frames come without `Origin`, and what they get is the page's. So whose page it is, is taken from `Referer`; where a page keeps that
 * back, from `Sec-Fetch-Site`, which browsers send by themselves (Fetch Metadata), but only to https and to this machine. So of those who send neither, programs
 * are answered and browsers are not: a page can't change the name that its browser gives itself. A sandboxed frame has the referrer of the page that holds it:
 * on the server's own origin the other field tells the two apart, on another one nothing does.
 */
export function checkScript(guard: Guard, headers: IncomingHttpHeaders): void {
  const { referer, host, 'sec-fetch-site': site, 'user-agent': agent = '' } = headers
  const allowed =
    referer === undefined || referer === ''
      ? site === 'same-origin' || site === 'none' || (site === undefined && !browserName.test(agent))
      : URL.canParse(referer) && guard.allows(new URL(referer).origin, host) && !(site === 'cross-site' && new URL(referer).host === host)
  if (!allowed) throw new FanfareError('origin-refused', 'pages of that origin may not use this server')
}

/** All browsers begin with it, for a reason of 1994; Opera's did not always. */
const browserName = /\b(?:Mozilla|Opera)\//

/** `?targetOrigin=`: written as browsers write an origin, and on the list. */
export function targetOriginOf(guard: Guard, host: string | undefined, value: string | undefined): string | undefined {
  if (value === undefined) return undefined
  if (!URL.canParse(value) || new URL(value).origin !== value || !/^https?:/.test(value))
    throw new FanfareError('parameter-invalid', 'targetOrigin is an origin such as https://app.example.com')
  if (!guard.allows(value, host)) throw new FanfareError('origin-refused', 'pages of that origin may not use this server')
  return value
}
