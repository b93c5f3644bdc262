import type { Run } from './sink.ts'

const run = { place: 0, count: 0 }

/** One object for all writes, so that a delivery makes none: a sink reads it at once and keeps nothing of it. */
export function runOf(place: number, count: number): Run {
  run.place = place
  run.count = count
  return run
}
