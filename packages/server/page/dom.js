/** An element with attributes and children. Strings among the children become text, never markup. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value)
  made.append(...children)
  return made
}

export function byId(id) {
  return document.getElementById(id)
}

/** So much of a payload is shown. */
const shownLength = 300

/** A publication's payload as one line of text. */
export function shownData({ data, encoding }) {
  if (encoding === 'base64')
    return `${Math.floor((data.length * 3) / 4) - (data.match(/=+$/)?.[0].length ?? 0)} bytes: ${data}`.slice(0, shownLength)
  return (typeof data === 'string' ? data : JSON.stringify(data)).slice(0, shownLength)
}

export function shownMs(ms) {
  const size = Math.abs(ms)
  if (size < 10) return `${ms.toFixed(1)} ms`
  if (size < 1000) return `${ms.toFixed(0)} ms`
  return size < 100_000 ? `${(ms / 1000).toFixed(1)} s` : `${(ms / 60_000).toFixed(0)} min`
}
