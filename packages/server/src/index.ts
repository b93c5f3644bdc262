export type { Engine, EngineOptions, EngineTraits } from './engines/engine.ts'
