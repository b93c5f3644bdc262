import { describe } from 'vitest'
import { historySuite } from './engine/history.ts'
import { limitsSuite } from './engine/limits.ts'
import { onceSuite } from './engine/once.ts'
import { orderSuite } from './engine/order.ts'
import { propertySuite } from './engine/properties.ts'
import { readingSuite } from './engine/reading.ts'
import { retentionSuite } from './engine/retention.ts'
import type { EngineRow } from './engine/row.ts'

/** Registers the tests that every engine passes: the promises in the header of the engine's contract, one by one. */
export function engineSuite(row: EngineRow): void {
  describe(`the ${row.name} engine`, () => {
    orderSuite(row)
    readingSuite(row)
    retentionSuite(row)
    onceSuite(row)
    limitsSuite(row)
    historySuite(row)
    propertySuite(row)
  })
}
