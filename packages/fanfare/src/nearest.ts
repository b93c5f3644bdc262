/** The known name that is most like what was written, or nothing where none is near. */
export function nearest(written: string, known: Iterable<string>): string | undefined {
  let best: string | undefined
  let least = Math.max(1, Math.floor(written.length / 3)) + 1
  for (const name of known) {
    const steps = editDistance(written.toLowerCase(), name.toLowerCase())
    if (steps < least) {
      least = steps
      best = name
    }
  }
  return best
}

/** `; did you mean "listen"?`, or nothing. */
export function didYouMean(
  written: string,
  known: Iterable<string>,
  show: (name: string) => string = (name) => JSON.stringify(name),
): string {
  const name = nearest(written, known)
  return name === undefined ? '' : `; did you mean ${show(name)}?`
}

/** Insertions, deletions, replacements and swaps of neighbours that turn one into the other. */
export function editDistance(one: string, other: string): number {
  let before: number[] = []
  let last = Array.from({ length: other.length + 1 }, (_, column) => column)
  for (let row = 1; row <= one.length; row++) {
    const next = [row]
    for (let column = 1; column <= other.length; column++) {
      const same = one[row - 1] === other[column - 1] ? 0 : 1
      let steps = Math.min((last[column] ?? 0) + 1, (next[column - 1] ?? 0) + 1, (last[column - 1] ?? 0) + same)
      const swapped = row > 1 && column > 1 && one[row - 1] === other[column - 2] && one[row - 2] === other[column - 1]
      if (swapped) steps = Math.min(steps, (before[column - 2] ?? 0) + 1)
      next.push(steps)
    }
    before = last
    last = next
  }
  return last[other.length] ?? 0
}
