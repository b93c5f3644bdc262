import { randomBytes } from 'node:crypto'
import { askHttp } from '../receivers/http.ts'
import { receivers } from '../receivers/index.ts'
import type { ReceiverRow, ToldEnd } from '../receivers/receiver.ts'
import { badInputChecks, problemOf } from '../transport/bad-input.ts'
import type { Bed, Trimmed } from '../transport/bed.ts'
import { check, columns, LeftOut } from '../transport/check.ts'
import type { Check } from '../transport/check.ts'
import { connectionChecks } from '../transport/connection.ts'
import { gapChecks } from '../transport/gaps.ts'
import { heartbeatChecks } from '../transport/heartbeat.ts'
import { originChecks } from '../transport/origins.ts'
import { pairChecks } from '../transport/pairs.ts'
import { payloadChecks } from '../transport/payloads.ts'
import { Publisher } from '../transport/publisher.ts'
import { resumeChecks } from '../transport/resume.ts'
import { openScope } from '../transport/scope.ts'
import type { Scope } from '../transport/scope.ts'
import { severalChecks } from '../transport/several.ts'
import type { Cell, Report, RowReport } from './report.ts'

export interface Outside {
  /** The server's origin. */
  readonly url: string
  /** Transports and protocols to check; without it all. */
  readonly transports?: readonly string[] | undefined
  /** Only checks in whose row, column or name this text is. */
  readonly only?: string | undefined
  /** Those too that wait for heartbeats, up to 40 s. */
  readonly long: boolean
  /** Chooses where pairs are cut. */
  readonly seed: number
  /** How long a check may take; those that wait for heartbeats have longer. */
  readonly patienceMs: number
  readonly onProgress?: (done: number, of: number, check: Check) => void
  readonly signal?: AbortSignal
}

const atOnce = 5
/** More publications than this are not made to see a channel trimmed. */
const mostToTrim = 25_000

/** Checks a server from outside, on channels of its own, which are deleted afterwards. Rejects where there is no server that takes a publish. */
export async function runOutside(asked: Outside): Promise<Report> {
  const begun = performance.now()
  await expectServer(asked.url)
  const own = new OwnChannels(asked.url)
  try {
    const rows = await Promise.all(rowsOf(asked).map((row) => standingOf(own, row, asked.patienceMs)))
    const up = rows.filter(({ kind }) => kind === 'up').map(({ row }) => row)
    const [witness] = up.filter(({ carriesCursor }) => carriesCursor)
    const checks = witness === undefined ? [] : checksOf(asked, up)
    const outcomes = await runAll(checks, () => own.scope(witness), asked)
    const reports = rows.map((standing) => reportOf(standing, outcomes, asked))
    const seconds = (performance.now() - begun) / 1000
    return { url: asked.url, prefix: own.prefix, seed: asked.seed, seconds, interrupted: asked.signal?.aborted === true, rows: reports }
  } finally {
    await own.remove()
  }
}

function rowsOf({ transports }: Outside): readonly ReceiverRow[] {
  return receivers.filter(({ transport }) => transports === undefined || transports.includes(transport))
}

function checksOf({ only = '', long, seed }: Outside, up: readonly ReceiverRow[]): readonly Check[] {
  const all = [
    ...(long ? heartbeatChecks(up) : []),
    ...resumeChecks(up),
    ...pairChecks(up, seed),
    ...severalChecks(up),
    ...gapChecks(up),
    ...payloadChecks(up),
    ...connectionChecks().filter(({ row }) => up.includes(row)),
    ...badInputChecks(up),
    ...originChecks(up),
  ]
  const text = only.toLowerCase()
  return all.filter(({ row, column, name }) => `${row.name}, ${column}: ${name}`.toLowerCase().includes(text))
}

async function expectServer(url: string): Promise<void> {
  const answer = await askHttp(url, { path: '/healthz' }, AbortSignal.timeout(10_000))
  if (answer.status !== 200) throw new Error(`${url}/healthz answers ${answer.status}: is it a Fanfare server?`)
}

/** Channels that nobody else has, because of their random name. */
class OwnChannels {
  readonly prefix = `conformance-${randomBytes(6).toString('hex')}`
  readonly publisher: Publisher
  readonly #url: string
  readonly #names: string[] = []
  #trimmed: Promise<Trimmed> | undefined

  constructor(url: string) {
    this.#url = url
    this.publisher = new Publisher(url)
  }

  channel(): string {
    const name = `${this.prefix}/${this.#names.length + 1}`
    this.#names.push(name)
    return name
  }

  scope(witness: ReceiverRow | undefined): Scope {
    if (witness === undefined) throw new LeftOut('nothing can be received')
    return openScope({
      url: this.#url,
      publisher: this.publisher,
      witness,
      channel: () => this.channel(),
      // One for all: it is only read.
      trimmed: (bed) => (this.#trimmed ??= overfilled(bed)),
    })
  }

  async remove(): Promise<void> {
    const names = this.#names.splice(0)
    const remove = async (): Promise<void> => {
      for (let name = names.pop(); name !== undefined; name = names.pop()) await this.publisher.remove(name)
    }
    try {
      await Promise.all(Array.from({ length: 8 }, remove))
    } finally {
      this.publisher.close()
    }
  }
}

/** Publishes until the server keeps fewer than were published. */
async function overfilled(bed: Bed): Promise<Trimmed> {
  const channel = bed.channel()
  const cursors: string[] = []
  const batch = 1000
  for (let last = batch; last <= mostToTrim; last += batch) {
    for (const { cursor } of await bed.publisher.fill(channel, last - batch + 1, last)) cursors.push(cursor)
    const { count: kept } = await bed.publisher.head(channel)
    if (last - kept >= 3) return { channel, last, kept, early: cursors[1] ?? '', oldest: cursors[last - kept] ?? '' }
  }
  throw new LeftOut(`it keeps more than ${mostToTrim} publications of a channel, so that none is trimmed`)
}

type Standing =
  | { readonly row: ReceiverRow; readonly kind: 'up' }
  /** Switched off or refused: nothing to check. */
  | { readonly row: ReceiverRow; readonly kind: 'out'; readonly why: string }
  /** It is let in, and nothing arrives. */
  | { readonly row: ReceiverRow; readonly kind: 'silent'; readonly why: string }

async function standingOf(own: OwnChannels, row: ReceiverRow, patienceMs: number): Promise<Standing> {
  const scope = own.scope(row)
  const channel = scope.bed.channel()
  await scope.bed.publisher.count(() => channel, 1, 1)
  const taker = scope.bed.take(row, { channels: [channel], since: 'earliest' })
  try {
    await within(patienceMs, taker.publicationCount(1), () => taker.summary())
    return taker.end === undefined ? { row, kind: 'up' } : { row, kind: 'out', why: refusalOf(taker.end) }
  } catch (error) {
    return { row, kind: 'silent', why: textOf(error) }
  } finally {
    await scope.end()
  }
}

function refusalOf({ code, reason }: ToldEnd): string {
  const problem = problemOf(reason)
  if (problem === 'transport-disabled') return 'switched off'
  if (problem === 'transport-unknown' || problem === 'not-available') return 'not there'
  return `refused: ${code} ${problem.slice(0, 200)}`
}

interface Outcome {
  readonly check: Check
  readonly result: 'ok' | 'failed' | 'left out'
  readonly reason: string
}

async function runAll(
  checks: readonly Check[],
  scope: () => Scope,
  { onProgress, signal, patienceMs }: Outside,
): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = []
  const take = async (next: () => Check | undefined): Promise<void> => {
    for (let check = next(); check !== undefined; check = signal?.aborted === true ? undefined : next()) {
      outcomes.push(await runOne(check, scope(), check.patienceMs ?? patienceMs))
      onProgress?.(outcomes.length, checks.length, check)
    }
  }
  // Who only waits holds nobody up.
  const waiting = checks.filter(({ column }) => column === 'heartbeat').map((check) => take(oneByOne([check])))
  const next = oneByOne(checks.filter(({ column }) => column !== 'heartbeat'))
  await Promise.all([...waiting, ...Array.from({ length: atOnce }, () => take(next))])
  return outcomes
}

function oneByOne<Item>(items: readonly Item[]): () => Item | undefined {
  let at = 0
  return () => items[at++]
}

async function runOne(check: Check, scope: Scope, patienceMs: number): Promise<Outcome> {
  try {
    await within(patienceMs, check.run(scope.bed), () => scope.takers.map((taker) => taker.summary()).join('; '))
    return { check, result: 'ok', reason: '' }
  } catch (error) {
    return { check, result: error instanceof LeftOut ? 'left out' : 'failed', reason: textOf(error) }
  } finally {
    await scope.end()
  }
}

function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause === undefined ? error.message : `${error.message} (${textOf(error.cause)})`
}

async function within<Value>(ms: number, work: Promise<Value>, state: () => string): Promise<Value> {
  let timer: NodeJS.Timeout | undefined
  const over = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${ms / 1000} s: ${state()}`)), ms)
  })
  try {
    return await Promise.race([work, over])
  } finally {
    clearTimeout(timer)
  }
}

function reportOf(standing: Standing, outcomes: readonly Outcome[], asked: Outside): RowReport {
  const { row } = standing
  const own = standing.kind === 'silent' ? [silence(standing)] : outcomes.filter(({ check }) => check.row === row)
  const cells = columns.map((column): Cell => {
    const here = own.filter(({ check }) => check.column === column)
    const failures = here.filter(({ result }) => result === 'failed').map(({ check, reason }) => ({ name: check.name, reason }))
    const left = here.filter(({ result }) => result === 'left out').map(({ check, reason }) => ({ name: check.name, reason }))
    const result = failures.length > 0 ? 'failed' : here.length > left.length ? 'ok' : 'left out'
    const without = standing.kind === 'up' && here.length === 0 ? [{ name: 'all', reason: reasonOf(row, column, asked) }] : left
    return { column, result, checks: here.length, failures, leftOut: without }
  })
  return { name: row.name, transport: row.transport, out: standing.kind === 'out' ? standing.why : undefined, cells }
}

function silence({ row, why }: { readonly row: ReceiverRow; readonly why: string }): Outcome {
  return { check: check(row, 'opening', 'says something at all', async () => undefined), result: 'failed', reason: why }
}

/** Why there is nothing to check. */
function reasonOf(row: ReceiverRow, column: Cell['column'], { only, long }: Outside): string {
  if (only !== undefined) return 'not asked for'
  if (column === 'commands') return 'only fanfare.v1 has them'
  if (column === 'heartbeat' && !long) return 'only with --long'
  if (column === 'heartbeat') return 'its answers end by themselves'
  if (!row.carriesCursor) return 'it carries no cursor'
  return 'nothing of the kind'
}
