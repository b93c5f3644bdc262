import { columns } from '../transport/check.ts'
import type { Column } from '../transport/check.ts'

/** What was found. */
export interface Report {
  readonly url: string
  /** The first segment of the channels that were used. */
  readonly prefix: string
  readonly seed: number
  readonly seconds: number
  /** Somebody ended it before its end. */
  readonly interrupted: boolean
  readonly rows: readonly RowReport[]
}

export interface RowReport {
  readonly name: string
  readonly transport: string
  /** Why nothing of it was checked: switched off, or refused. */
  readonly out: string | undefined
  readonly cells: readonly Cell[]
}

export interface Cell {
  readonly column: Column
  readonly result: 'ok' | 'failed' | 'left out'
  readonly checks: number
  readonly failures: readonly Finding[]
  readonly leftOut: readonly Finding[]
}

export interface Finding {
  readonly name: string
  readonly reason: string
}

export interface Counts {
  readonly checks: number
  readonly failed: number
}

export function countsOf({ rows }: Report): Counts {
  const cells = rows.flatMap((row) => row.cells)
  const sum = (of: (cell: Cell) => number): number => cells.reduce((total, cell) => total + of(cell), 0)
  return { checks: sum((cell) => cell.checks), failed: sum((cell) => cell.failures.length) }
}

export type Paint = (style: 'good' | 'bad' | 'faint' | 'strong', text: string) => string

/** The table, and below it what failed and what was left out, each with its reason. */
export function tableOf(report: Report, paint: Paint = (_style, text) => text): string {
  const shown = columns.filter((column) => report.rows.some((row) => cellOf(row, column).checks > 0 || !isUnasked(cellOf(row, column))))
  const rows = report.rows.filter((row) => row.out !== undefined || row.cells.some((cell) => !isUnasked(cell)))
  const nameWidth = Math.max(0, ...rows.map(({ name }) => name.length))
  const widths = shown.map((column) => Math.max(column.length, 'FAILED'.length))
  const head = ['', ...shown].map((text, at) => pad(text, at === 0 ? nameWidth : (widths[at - 1] ?? 0)))
  const lines = rows.map((row) => {
    const name = row.name.padEnd(nameWidth)
    if (row.out !== undefined) return `${name}  ${paint('faint', row.out)}`
    return [name, ...shown.map((column, at) => painted(cellOf(row, column), widths[at] ?? 0, paint))].join('  ').trimEnd()
  })
  const sections = [
    [paint('strong', head.join('  ').trimEnd()), ...lines],
    failuresOf(report, paint),
    leftOutOf(report),
    [lastLine(report, paint)],
  ]
  return `${sections
    .filter((section) => section.length > 0)
    .map((section) => section.join('\n'))
    .join('\n\n')}\n`
}

const unasked = 'not asked for'

function isUnasked({ leftOut, checks }: Cell): boolean {
  return checks === 0 && leftOut.every(({ reason }) => reason === unasked)
}

function cellOf(row: RowReport, column: Column): Cell {
  return row.cells.find((cell) => cell.column === column) ?? { column, result: 'left out', checks: 0, failures: [], leftOut: [] }
}

const words = { ok: 'ok', failed: 'FAILED', 'left out': '-' } as const
const styles = { ok: 'good', failed: 'bad', 'left out': 'faint' } as const

function painted({ result }: Cell, width: number, paint: Paint): string {
  return paint(styles[result], words[result]) + ' '.repeat(Math.max(0, width - words[result].length))
}

function pad(text: string, width: number): string {
  return text.padEnd(width)
}

function failuresOf({ rows }: Report, paint: Paint): readonly string[] {
  return rows.flatMap(({ name, cells }) =>
    cells.flatMap(({ column, failures }) =>
      failures.map((finding) => `${paint('bad', 'FAILED')} ${name}, ${column}: ${finding.name}\n${indented(finding.reason)}`),
    ),
  )
}

function indented(text: string): string {
  const lines = text.split('\n').slice(0, 40)
  return lines.map((line) => `  ${line}`).join('\n')
}

/** Of what was left out, each reason once. */
function leftOutOf({ rows }: Report): readonly string[] {
  const rowsOf = new Map<string, Set<string>>()
  for (const { name, cells } of rows) {
    for (const { column, leftOut } of cells)
      for (const { reason } of leftOut.filter(({ reason }) => reason !== unasked)) {
        const key = `${column} of %, ${reason}`
        rowsOf.set(key, (rowsOf.get(key) ?? new Set()).add(name))
      }
  }
  const up = rows.filter(({ out }) => out === undefined).map(({ name }) => name)
  return [...rowsOf].map(([key, names]) => `left out: ${key.replace('%', together(names, up))}`)
}

/** The names, or all but the few that are not among them. */
function together(names: ReadonlySet<string>, all: readonly string[]): string {
  const others = all.filter((name) => !names.has(name))
  if (names.size < 3 || others.length > 2) return [...names].join(', ')
  return others.length === 0 ? 'all' : `all but ${others.join(', ')}`
}

function lastLine(report: Report, paint: Paint): string {
  const { checks, failed } = countsOf(report)
  const out = report.rows.filter(({ out }) => out !== undefined).length
  const verdict = failed > 0 ? paint('bad', `${failed} FAILED`) : checks === 0 ? paint('bad', 'none') : paint('good', 'all ok')
  const ended = report.interrupted ? ', ended before its end' : ''
  const unseen = out === 0 ? '' : `; ${out} of ${report.rows.length} rows could not be checked`
  return `${checks} checks of ${report.url} in ${report.seconds.toFixed(1)} s (seed ${report.seed})${ended}: ${verdict}${unseen}`
}
