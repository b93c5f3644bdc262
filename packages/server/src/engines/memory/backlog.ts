import type { Commit, Deletion } from '../engine.ts'
import type { ChannelLog } from './channel-log.ts'

/** Publications of one commit of a backlog. */
const mostPublications = 1000

/** All that is kept in (after, head], as commits. Deletions that a later one of their channel has overtaken are left out. */
export function backlogOf(logs: readonly ChannelLog[], after: number, head: number, mark: string): readonly Commit[] {
  const publications = logs.flatMap((log) => log.since(after)).sort(bySeq)
  const deletions = logs
    .flatMap((log): Deletion[] => (log.deletedAt > after ? [{ channel: log.name, seq: log.deletedAt, time: log.deletedTime }] : []))
    .sort(bySeq)
  const commits: Commit[] = []
  for (let from = after; from < head; from = commits.at(-1)?.through ?? head) {
    const part = publications.splice(0, mostPublications)
    const through = publications.length > 0 ? (part.at(-1)?.seq ?? head) : head
    commits.push({ from, through, mark, publications: part, deletions: deletions.filter(({ seq }) => seq > from && seq <= through) })
  }
  return commits
}

function bySeq(a: { readonly seq: number }, b: { readonly seq: number }): number {
  return a.seq - b.seq
}
