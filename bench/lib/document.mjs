import { existsSync, readFileSync, writeFileSync } from 'node:fs'

const intro = `# Measurements

Made by \`node bench/run.mjs\` (see [bench/README.md](../../bench/README.md)) and written here by \`node bench/run.mjs --document\`; each table has its machine, date and command below it. Figures are medians of
interleaved rounds with the least and the most in brackets; a ratio is taken inside each round, then its median. Compare ratios, not microseconds: another machine gives other figures. Client and server are on one
machine and share it; the loopback's receiving side is charged to the server that sends. No figure is of a run that lost, doubled or changed anything.

**Look at the load at the end of each table.** Where it is well above 3 on two cores, other work shared the machine: times, throughput and what depends on threads being woken (the disk engine beside loops that do everything on one) are then
worse than they are and spread widely, and such figures wait to be made again; bytes and CPU in bursts are little touched. "No figure" is where no round was quiet enough to count.
`

/** Puts the newest results of all cases into the reference. @param {readonly string[]} names */
export function writeDocument(names) {
  const parts = names.flatMap((name) => {
    const file = new URL(`../results/${name}.md`, import.meta.url)
    return existsSync(file) ? [readFileSync(file, 'utf8').trim()] : []
  })
  writeFileSync(
    new URL('../../docs/reference/benchmarks.md', import.meta.url),
    [intro, ...parts, ''].join('\n\n').replaceAll('\n\n\n', '\n\n'),
  )
  return parts.length
}
