import { byId, element } from './dom.js'

/** What the server said of itself and of the channel when the page was loaded. */
export const facts = JSON.parse(byId('facts').textContent)

export function showFacts({ engine, keep, limits, version, node, transports: names }) {
  const on = Object.keys(names).filter((name) => names[name])
  const rows = [
    ['Fanfare', `${version} · node ${node}`],
    ['Engine', `${engine.name}: ${engine.promise}`],
    ['Transports', on.join(', ')],
    ['Keeps', keep],
    ['Limits', `payload ${limits.payload}, heartbeat ${limits.heartbeatMs / 1000} s`],
  ]
  byId('here').replaceChildren(...rows.map(([name, value]) => element('div', {}, element('dt', {}, name), element('dd', {}, value))))
}

/** Asks who runs here now; false where nobody answers. */
export async function refreshFacts() {
  try {
    const response = await fetch(location.href, { headers: { Accept: 'text/html' } })
    const [, json] = / id="facts">([^<]*)</.exec(await response.text())
    showFacts(JSON.parse(json))
    return true
  } catch {
    return false
  }
}
