export type * from './engines/engine.ts'
