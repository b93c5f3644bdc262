import type { Engine } from './engine.ts'

/** The same engine, but for the calls that are given instead: to measure it, or to make it misbehave within its contract. */
export function wrapEngine(engine: Engine, instead: Partial<Engine>): Engine {
  return {
    // Asked each time: an engine may learn its traits late.
    get traits() {
      return engine.traits
    },
    append: (request) => engine.append(request),
    read: (channel, after, through) => engine.read(channel, after, through),
    facts: (channel) => engine.facts(channel),
    newest: (channel, count, through) => engine.newest(channel, count, through),
    follow: (after, onCommit) => engine.follow(after, onCommit),
    head: () => engine.head(),
    check: (cursor) => engine.check(cursor),
    channels: (prefix, after, limit) => engine.channels(prefix, after, limit),
    getState: (key) => engine.getState(key),
    stats: () => engine.stats(),
    close: () => engine.close(),
    ...instead,
  }
}
