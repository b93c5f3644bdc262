export { engineSuite } from './engine-suite.ts'
export { ManualClock } from './engine/clock.ts'
export type { EngineRow } from './engine/row.ts'
