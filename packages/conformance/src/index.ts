export { engineSuite } from './engine-suite.ts'
export type { EngineRow } from './engine/row.ts'
