#!/usr/bin/env node
// Measures Fanfare beside floors and peers: each in a process of its own, in turn in each round, ratios inside a round.
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { pinning } from './lib/child.mjs'
import { writeDocument } from './lib/document.mjs'
import { describeMachine } from './lib/machine.mjs'
import { prepare } from './lib/setup.mjs'
import { table } from './lib/table.mjs'

/** Each case is a file of `cases/` and says what it measures. Most important first. */
const cases = {
  'store-append': 'durable appends of the store beside lmdb and bare loops of write and fdatasync',
  'http-publish': 'durable single publishes over HTTP, 64 in flight, beside lmdb and the bare loops behind the same node:http server',
  'publish-latency': 'latency of a publish while 16 pbkdf2 are queued in the same process',
  'page-read': 'a page of 100 publications of one channel among 1,000 interleaved ones, in the journal and sealed',
  'start-up': 'start with 1,000,000 publications kept, and with 1,000,000 channels: time and memory',
  'fan-out': 'CPU per delivery at 1,000 receivers beside loops of ws.send and res.write',
  stream: 'CPU per delivery of NDJSON at 1,000 receivers beside SSE',
  'long-poll': 'CPU per wake-up of 1,000 held requests beside a bare node:http server that holds and answers',
  'many-channels': '10,000 channels with one receiver each, published over HTTP, beside a ws loop that answers the same',
  'idle-memory': 'resident memory of an idle receiver, 10,000 on WebSocket and 10,000 on SSE',
  'catch-up': '1,000,000 publications behind over SSE and WebSocket: time and memory',
  'slow-reader': 'latency of the others with and without a receiver that reads 100 KiB/s',
}

const help = `node bench/run.mjs NAME... [--rounds N] [--quick]

Measures, and prints tables with medians (least-most) of the rounds, ratios taken inside each round, aims beside results, and the machine.
Installs what it needs into bench/node_modules and builds the project first. Results of whole runs go to
bench/results.

${Object.entries(cases)
  .map(([name, what]) => `  ${name.padEnd(16)} ${what}`)
  .join('\n')}
  ${'all'.padEnd(16)} all of these

  --rounds N   rounds of each case (its own default otherwise; at least 7 for a figure worth quoting)
  --quick      short runs and few rounds: does it work, not what is it
  --only TEXT  only the parts of a case whose name contains this
  --built      takes packages/*/dist as they are, builds nothing
  --document   only writes the newest results into docs/reference/benchmarks.md
  --help       this
`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string' },
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    built: { type: 'boolean', default: false },
    document: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
const names = positionals.includes('all') ? Object.keys(cases) : positionals
const unknown = names.find((name) => !Object.hasOwn(cases, name))
const rounds = values.rounds === undefined ? undefined : Number(values.rounds)

if (values.document) {
  process.stdout.write(`wrote the results of ${writeDocument(Object.keys(cases))} cases\n`)
  process.exit(0)
}
if (values.help || names.length === 0 || unknown !== undefined || (rounds !== undefined && !(Number.isInteger(rounds) && rounds > 0))) {
  if (unknown !== undefined) process.stderr.write(`there is no case ${unknown}\n\n`)
  process.stdout.write(help)
  process.exit(values.help ? 0 : 2)
}

const say = (/** @type {string} */ text) => void process.stderr.write(`  ${text}\n`)
prepare(say, !values.built)
let failed = 0
for (const name of names) {
  try {
    await measure(name)
  } catch (error) {
    failed++
    process.stderr.write(`${name} gave no figures: ${/** @type {Error} */ (error).stack}\n`)
  }
}
process.exit(failed > 0 ? 1 : 0)

/** @param {string} name */
async function measure(name) {
  const begun = performance.now()
  const { run } = await import(`./cases/${name}.mjs`)
  const only = (/** @type {string} */ part) => values.only === undefined || part.includes(values.only)
  const result = await run({ rounds, quick: values.quick, only, say })
  const machine = describeMachine()
  const command = `node bench/run.mjs ${[name, ...(rounds === undefined ? [] : [`--rounds ${rounds}`]), ...(values.quick ? ['--quick'] : [])].join(' ')}`
  const lines = [`\n## ${name}: ${cases[/** @type {keyof typeof cases} */ (name)]}\n`]
  for (const part of result.parts) lines.push(...(part.title === undefined ? [] : [`${part.title}\n`]), table(part.head, part.rows), '')
  for (const note of result.notes ?? []) lines.push(`- ${note}`)
  if ((result.notes ?? []).length > 0) lines.push('')
  if (result.aims.length > 0) {
    lines.push(
      table(
        ['aim', 'is to be', 'is', ''],
        result.aims.map((/** @type {any} */ one) => [one.what, one.aim, one.result, one.verdict]),
      ),
      '',
    )
  }
  lines.push(`${machine} · ${pinning} · \`${command}\` · took ${Math.round((performance.now() - begun) / 1000)} s\n`)
  process.stdout.write(lines.join('\n'))
  // What is short or a part is no result for the reference.
  if (values.quick || values.only !== undefined) return
  writeFileSync(new URL(`results/${name}.md`, import.meta.url), lines.join('\n'))
  writeFileSync(
    new URL(`results/${name}.json`, import.meta.url),
    JSON.stringify({ name, machine, command, raw: result.raw, aims: result.aims }, null, 1),
  )
}
