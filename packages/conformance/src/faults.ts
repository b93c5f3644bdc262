import { wrapEngine } from '@fanfare/server'
import type { Commit, Engine } from '@fanfare/server'

/** Makes of an engine one that misbehaves as a distributed one does, inside what its contract lets pass. */
export type EngineFault = (engine: Engine, chance: () => number) => Engine

/** Reads and facts come late, and in another order than they were asked for. */
export function slowReads(mostMs: number): EngineFault {
  return (engine, chance) => {
    const late = async <Answer>(answer: Promise<Answer>): Promise<Answer> => {
      const known = await answer
      await new Promise((resolve) => setTimeout(resolve, chance() * mostMs))
      return known
    }
    return wrapEngine(engine, {
      read: (channel, after, through) => late(engine.read(channel, after, through)),
      facts: (channel) => late(engine.facts(channel)),
      newest: (channel, count, through) => late(engine.newest(channel, count, through)),
      check: (cursor) => late(engine.check(cursor)),
    })
  }
}

/** Commits are told again, or joined with the one that was told before. */
export function redelivery(share: number): EngineFault {
  return (engine, chance) =>
    wrapEngine(engine, {
      follow: (after, onCommit) => {
        let before: Commit | undefined
        return engine.follow(after, (commit) => {
          onCommit(before !== undefined && chance() < share ? joined(before, commit) : commit)
          if (before !== undefined && chance() < share) onCommit(before)
          if (chance() < share) onCommit(commit)
          before = commit
        })
      },
    })
}

/** Commits are not told at all: only a later one, or a look at the head, shows that they were. */
export function lostNotifications(share: number): EngineFault {
  return (engine, chance) =>
    wrapEngine(engine, {
      follow: (after, onCommit) =>
        engine.follow(after, (commit) => {
          if (chance() >= share) onCommit(commit)
        }),
    })
}

/** Commits are told late, though in order, as by a node that lags behind. */
export function lateFeed(mostMs: number): EngineFault {
  return (engine, chance) =>
    wrapEngine(engine, {
      follow: (after, onCommit) => {
        let before: Promise<void> = Promise.resolve()
        let ended = false
        const end = engine.follow(after, (commit) => {
          const waited = before
          before = (async () => {
            await waited
            await new Promise((resolve) => setTimeout(resolve, chance() * mostMs))
            if (!ended) onCommit(commit)
          })()
        })
        return () => {
          ended = true
          end()
        }
      },
    })
}

function joined(first: Commit, second: Commit): Commit {
  return {
    ...second,
    from: first.from,
    publications: [...first.publications, ...second.publications],
    deletions: [...first.deletions, ...second.deletions],
  }
}
