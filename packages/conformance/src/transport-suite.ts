import { describe } from 'vitest'
import { lateFeed, lostNotifications, redelivery, slowReads } from './faults.ts'
import type { EngineFault } from './faults.ts'
import { receivers } from './receivers/index.ts'
import { testBed } from './transport/bed.ts'
import { connectionSuite } from './transport/connection.ts'
import { gapSuite } from './transport/gaps.ts'
import { linkSuite } from './transport/links.ts'
import { payloadSuite } from './transport/payloads.ts'
import { resumeSuite } from './transport/resume.ts'
import { freshStartSuite, restartSuite } from './transport/restart.ts'
import type { ServerRow } from './transport/row.ts'
import { severalSuite } from './transport/several.ts'

const faults: readonly { readonly name: string; readonly fault: EngineFault }[] = [
  { name: 'slow reads that overtake each other', fault: slowReads(10) },
  { name: 'commits that are told again', fault: redelivery(0.3) },
  { name: 'commits that are told late', fault: lateFeed(5) },
  { name: 'commits that are not told', fault: lostNotifications(0.1) },
]

/** Registers what every transport and protocol passes over a server, as it is and under faults. */
export function transportSuite(row: ServerRow): void {
  describe(`transports of ${row.name}`, { timeout: 20_000 }, () => {
    const bed = testBed(row)
    resumeSuite(bed, receivers)
    severalSuite(bed, receivers)
    gapSuite(bed, receivers)
    payloadSuite(bed, receivers)
    if (row.durable) restartSuite(bed, receivers)
    else freshStartSuite(bed, receivers)
    connectionSuite(bed)
    describe('over a bad link', () => {
      linkSuite(bed, receivers)
    })
  })

  if (!row.underFaults) return
  describe.each(faults)(`transports of ${row.name}, with $name`, { timeout: 20_000 }, ({ fault }) => {
    const bed = testBed(row, fault)
    resumeSuite(bed, receivers)
    severalSuite(bed, receivers)
    gapSuite(bed, receivers)
  })
}
