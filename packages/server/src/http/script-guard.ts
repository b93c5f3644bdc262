import type { IncomingHttpHeaders } from 'node:http'
import { FanfareError } from '@fanfare/wire'
import type { Guard } from './guard.ts'

/**
 * Script elements and frames come without `Origin`, and what they get is the page's. So whose page it is, is taken from `Referer`; where a page keeps that
 * back, from `Sec-Fetch-Site`, which browsers send by themselves (Fetch Metadata). Who sends neither is no page of a browser of today. A sandboxed frame has the
 * referrer of the page that holds it: on the server's own origin the other field tells the two apart, on another one nothing does.
 */
export function checkScript(guard: Guard, headers: IncomingHttpHeaders): void {
  const { referer, host } = headers
  const site = headers['sec-fetch-site']
  const allowed =
    referer === undefined || referer === ''
      ? site === undefined || site === 'same-origin' || site === 'none'
      : URL.canParse(referer) && guard.allows(new URL(referer).origin, host) && !(site === 'cross-site' && new URL(referer).host === host)
  if (!allowed) throw new FanfareError('origin-refused', 'pages of that origin may not use this server')
}

/** `?targetOrigin=`: written as browsers write an origin, and on the list. */
export function targetOriginOf(guard: Guard, host: string | undefined, value: string | undefined): string | undefined {
  if (value === undefined) return undefined
  if (!URL.canParse(value) || new URL(value).origin !== value || !/^https?:/.test(value))
    throw new FanfareError('parameter-invalid', 'targetOrigin is an origin such as https://app.example.com')
  if (!guard.allows(value, host)) throw new FanfareError('origin-refused', 'pages of that origin may not use this server')
  return value
}
