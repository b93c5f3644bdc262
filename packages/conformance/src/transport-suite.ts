import { afterAll, beforeAll, describe, it } from 'vitest'
import { lateFeed, lostNotifications, redelivery, slowReads } from './faults.ts'
import type { EngineFault } from './faults.ts'
import { receivers } from './receivers/index.ts'
import { badInputChecks } from './transport/bad-input.ts'
import type { Check } from './transport/check.ts'
import { connectionChecks } from './transport/connection.ts'
import { gapChecks } from './transport/gaps.ts'
import { openGround } from './transport/ground.ts'
import type { Ground } from './transport/ground.ts'
import { heartbeatChecks } from './transport/heartbeat.ts'
import { linkChecks } from './transport/links.ts'
import { originChecks } from './transport/origins.ts'
import { pairChecks, samplePairs } from './transport/pairs.ts'
import { payloadChecks } from './transport/payloads.ts'
import { freshStartSuite, restartSuite } from './transport/restart.ts'
import { resumeChecks } from './transport/resume.ts'
import type { ServerRow } from './transport/row.ts'
import { severalChecks } from './transport/several.ts'

const faults: readonly { readonly name: string; readonly fault: EngineFault }[] = [
  { name: 'slow reads that overtake each other', fault: slowReads(10) },
  { name: 'commits that are told again', fault: redelivery(0.3) },
  { name: 'commits that are told late', fault: lateFeed(5) },
  { name: 'commits that are not told', fault: lostNotifications(0.1) },
]

/** What every transport and protocol passes over a server, as it is and under faults. */
export function transportSuite(row: ServerRow): void {
  const pairs = chosenPairs()
  const always = [...resumeChecks(receivers), ...pairs, ...severalChecks(receivers), ...gapChecks(receivers)]
  describe(`transports of ${row.name}`, { timeout: 60_000 }, () => {
    const ground = openedGround(row)
    registerChecks(ground, [...always, ...payloadChecks(receivers), ...badInputChecks(receivers), ...originChecks(receivers)])
    registerChecks(ground, connectionChecks())
    if (row.durable) restartSuite(ground, receivers)
    else freshStartSuite(ground, receivers)
    describe('over a bad link', () => {
      it.each(named(linkChecks(receivers)))('%s', async (_name, check) => await runOn(ground(), check))
    })
  })

  if (!row.underFaults) return
  describe.each(faults)(`transports of ${row.name}, with $name`, { timeout: 60_000 }, ({ fault }) => {
    registerChecks(openedGround(row, fault), always)
  })
}

/** The signs of life, over a server that gives them every few hundred milliseconds. */
export function heartbeatSuite(row: ServerRow): void {
  describe(`heartbeats of ${row.name}`, { timeout: 60_000 }, () => {
    registerChecks(openedGround(row), heartbeatChecks(receivers))
  })
}

/** To be called inside a `describe`. */
function openedGround(row: ServerRow, fault?: EngineFault): () => Ground {
  let ground: Ground | undefined
  beforeAll(async () => void (ground = await openGround(row, fault)))
  afterAll(async () => await ground?.close())
  return () => {
    if (ground === undefined) throw new Error('the server is not started yet')
    return ground
  }
}

function registerChecks(ground: () => Ground, checks: readonly Check[]): void {
  it.concurrent.each(named(checks))('%s', async (_name, check) => await runOn(ground(), check))
}

async function runOn(ground: Ground, check: Check): Promise<void> {
  const scope = ground.scope()
  try {
    await check.run(scope.bed)
  } finally {
    await scope.end()
  }
}

function named(checks: readonly Check[]): [string, Check][] {
  return checks.map((check) => [`${check.row.name}, ${check.column}: ${check.name}`, check])
}

/** A sample, other ones each time; `FANFARE_PAIRS=all` takes all, `FANFARE_SEED` those of a run before, with its cuts. */
function chosenPairs(): readonly Check[] {
  const seed = Number(process.env['FANFARE_SEED'] ?? Math.floor(Math.random() * 1_000_000_000))
  const all = pairChecks(receivers, seed)
  const chosen = process.env['FANFARE_PAIRS'] === 'all' ? all : samplePairs(all, seed)
  process.stdout.write(`pairs of transports: ${chosen.length} of ${all.length}, FANFARE_SEED=${seed} (FANFARE_PAIRS=all for all)\n`)
  return chosen
}
