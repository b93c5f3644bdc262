/** @typedef {import('./statistics.mjs').Spread} Spread */

/** Three significant digits, with separators for large ones. @param {number} value */
export function number(value) {
  if (!Number.isFinite(value)) return '-'
  const size = Math.abs(value)
  if (size >= 1000) return Math.round(value).toLocaleString('en-GB')
  if (size >= 100) return value.toFixed(0)
  if (size >= 10) return value.toFixed(1)
  if (size >= 1) return value.toFixed(2)
  return value.toPrecision(2)
}

/** Median (min-max). @param {Spread} spread */
export function spread(spread) {
  return spread.count < 2 ? number(spread.median) : `${number(spread.median)} (${number(spread.min)}-${number(spread.max)})`
}

/** A table in Markdown, padded so that it reads well in a terminal too. @param {readonly string[]} head @param {readonly (readonly string[])[]} rows */
export function table(head, rows) {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)))
  const line = (/** @type {readonly string[]} */ cells) =>
    `| ${widths.map((width, column) => (cells[column] ?? '').padEnd(width)).join(' | ')} |`
  return [line(head), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...rows.map(line)].join('\n')
}

/**
 * An aim beside its result. `value` is a median.
 * @param {string} what @param {'<' | '>='} sign @param {number} aim @param {number} value @param {string} [unit]
 */
export function aim(what, sign, aim, value, unit = '') {
  const verdict = Number.isNaN(value) ? 'no figure' : (sign === '<' ? value < aim : value >= aim) ? 'met' : 'MISSED'
  return { what, aim: `${sign} ${aim}${unit}`, result: `${number(value)}${unit}`, verdict }
}
