import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { IntervalHistogram } from 'node:perf_hooks'
import type { FanfareNode } from '../core/node-contract.ts'
import type { Engine } from '../engines/engine.ts'
import type { Ground } from '../transports/transport.ts'
import { transportNames } from '../transports/names.ts'

/** What the page is made of; all of it is asked when the page is. */
export interface MetricSources {
  readonly node: FanfareNode
  readonly engine: Engine
  readonly ground: Pick<Ground, 'held' | 'flow' | 'failures'>
  readonly commits: CommitTimes
}

export interface Metrics {
  /** In the text format of Prometheus, version 0.0.4. */
  page(): string
  close(): void
}

const bucketsSeconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5]

/** Times from append to answer. */
export class CommitTimes {
  readonly counts: number[] = Array.from({ length: bucketsSeconds.length + 1 }, () => 0)
  sumSeconds = 0

  add(seconds: number): void {
    const found = bucketsSeconds.findIndex((bound) => seconds <= bound)
    const bucket = found < 0 ? bucketsSeconds.length : found
    this.counts[bucket] = (this.counts[bucket] ?? 0) + 1
    this.sumSeconds += seconds
  }
}

/**
 * The engine's append, timed: one at a time, for those of one turn are committed together and end together. So it costs nothing where there are many.
 * `refused` hears of the refusals among those.
 */
export function timedAppend(
  engine: Engine,
  times: CommitTimes,
  monotonic: () => number,
  refused: (error: unknown) => void,
): Engine['append'] {
  let timing = false
  return (request) => {
    const answer = engine.append(request)
    if (timing) return answer
    timing = true
    const begun = monotonic()
    const ended = (): void => {
      timing = false
      times.add((monotonic() - begun) / 1000)
    }
    // Only what was committed has a commit's time.
    answer.then(ended, (error: unknown) => {
      timing = false
      refused(error)
    })
    return answer
  }
}

/** How often the event loop's delay is looked at. Each look wakes an idle process, whose caches are cold by then: at 20 ms that was the most it did. */
const delayPeriodMs = 50

export function createMetrics(sources: MetricSources): Metrics {
  const delay = monitorEventLoopDelay({ resolution: delayPeriodMs })
  delay.enable()
  return {
    page: () => page(sources, delay),
    close: () => void delay.disable(),
  }
}

type Sample = readonly [labels: string, value: number]

function page({ node, engine, ground, commits }: MetricSources, delay: IntervalHistogram): string {
  const { counters } = node
  const stats = engine.stats()
  const lines: string[] = []
  const family = (name: string, type: string, help: string, samples: readonly Sample[]): void => {
    lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`)
    for (const [labels, value] of samples) lines.push(`${name}${labels} ${value}`)
  }
  const one = (name: string, type: string, help: string, value: number): void => family(name, type, help, [['', value]])
  one('fanfare_publications_total', 'counter', 'Publications committed by this process.', counters.publications)
  one('fanfare_deliveries_total', 'counter', 'Publications handed to receivers.', counters.deliveries)
  family(
    'fanfare_receivers',
    'gauge',
    'Open responses and connections, by transport.',
    transportNames.map((name) => [`{transport="${name}"}`, ground.held.counts.get(name) ?? 0]),
  )
  one('fanfare_subscriptions', 'gauge', 'Receivers that core serves; each channel of fanfare.v1 is one.', counters.receivers)
  one('fanfare_receivers_parked', 'gauge', 'Receivers whose socket takes no more for now.', counters.parked)
  family(
    'fanfare_gaps_total',
    'counter',
    'Gaps told, by reason.',
    Object.entries(counters.gaps).map(([reason, count]) => [`{reason="${reason}"}`, count]),
  )
  commitHistogram(lines, commits)
  family('fanfare_event_loop_delay_seconds', 'gauge', 'Delay of the event loop since the last reading, by quantile.', loopDelays(delay))
  one('fanfare_store_bytes', 'gauge', 'Bytes of the store: of its files, or in memory.', stats.bytes)
  one('fanfare_store_publications', 'gauge', 'Publications kept.', stats.publications)
  one('fanfare_store_channels', 'gauge', 'Channels known.', stats.channels)
  one('fanfare_store_failed', 'gauge', '1 after a failed sync: nothing is acknowledged until a restart.', stats.failed ? 1 : 0)
  one('fanfare_commit_waiting_bytes', 'gauge', 'Bytes of publishes that wait for their commit.', stats.waitingBytes)
  one('fanfare_idempotency_keys', 'gauge', 'Idempotency keys remembered.', stats.idempotencyKeys)
  one('fanfare_sockets_waiting_bytes', 'gauge', 'Bytes that wait for sockets.', ground.flow.waitingBytes)
  one('fanfare_pages_bytes', 'gauge', 'Bytes of tails and pages in memory.', counters.pagesBytes)
  one(
    'fanfare_internal_errors_total',
    'counter',
    'Requests and connections that failed for a reason inside; the log says which.',
    ground.failures,
  )
  one('fanfare_resident_bytes', 'gauge', 'Resident memory of the process.', process.memoryUsage.rss())
  return `${lines.join('\n')}\n`
}

function commitHistogram(lines: string[], commits: CommitTimes): void {
  const name = 'fanfare_commit_seconds'
  lines.push(`# HELP ${name} Time from append to answer, of one append at a time.`, `# TYPE ${name} histogram`)
  let count = 0
  for (const [i, bound] of bucketsSeconds.entries()) {
    count += commits.counts[i] ?? 0
    lines.push(`${name}_bucket{le="${bound}"} ${count}`)
  }
  count += commits.counts[bucketsSeconds.length] ?? 0
  lines.push(`${name}_bucket{le="+Inf"} ${count}`, `${name}_sum ${commits.sumSeconds}`, `${name}_count ${count}`)
}

function loopDelays(delay: IntervalHistogram): Sample[] {
  const samples = [0.5, 0.99, 1].map((quantile): Sample => {
    // Node tells the time from one look to the next, the period included.
    const nanoseconds = delay.percentile(quantile * 100) - delayPeriodMs * 1e6
    return [`{quantile="${quantile}"}`, Number.isFinite(nanoseconds) ? Math.max(0, nanoseconds / 1e9) : 0]
  })
  delay.reset()
  return samples
}
