// Installs and builds what is missing, and nothing else. Without dependencies: it runs before there are any.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('..', import.meta.url))

/** A line to people. */
export function say(text) {
  process.stdout.write(`fanfare: ${text}\n`)
}

/** Ends with a message: what was tried, and what to do. */
function fail(text) {
  process.stderr.write(`fanfare: ${text}\n`)
  process.exit(1)
}

/** Installs what the server needs (`all` false) or all that the tests need, unless it is there. True where it did. */
export function install(all) {
  checkNode()
  const missing = missingPackage(all)
  if (missing === undefined) return false
  const why = existsSync(join(root, 'node_modules')) ? `; ${missing} is missing or of another version` : ''
  say(`installing ${all ? 'all that tests need (npm ci' : 'what the server needs (npm ci --omit=dev'}${why})`)
  const { status, error } = npm(['ci', '--no-audit', '--no-fund', '--loglevel=error', ...(all ? [] : ['--omit=dev'])])
  if (status !== 0) fail(`npm could not install: ${error?.message ?? 'its messages are above'}`)
  return true
}

/** Installs what the checks with other people's clients need, a folder of its own. True where it did. */
export function installInterop() {
  const folder = join(root, 'interop')
  const lock = readFileSync(join(folder, 'package-lock.json'), 'utf8')
  const stamp = join(folder, 'node_modules/.stamp')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return false
  say('installing what the checks with other clients need (npm ci in interop/)')
  const { status, error } = npm(['ci', '--no-audit', '--no-fund', '--loglevel=error', '--ignore-scripts', '--prefix', folder])
  if (status !== 0) fail(`npm could not install: ${error?.message ?? 'its messages are above'}`)
  writeFileSync(stamp, lock)
  return true
}

/** Builds the command and what it stands on, unless nothing has changed since. True where it did. */
export function build() {
  const stamp = join(root, 'packages/fanfare/dist/.stamp')
  const state = sourceState()
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === state) return false
  say('building (tsc -b packages/fanfare)')
  const { status } = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-b', 'packages/fanfare'], {
    cwd: root,
    stdio: 'inherit',
  })
  if (status !== 0) fail('the build failed; its messages are above')
  mkdirSync(dirname(stamp), { recursive: true })
  writeFileSync(stamp, state)
  return true
}

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if (major < 20 || (major === 20 && minor < 19)) fail(`Node 20.19 or newer is needed; this is ${process.versions.node}`)
}

function npm(args) {
  const { npm_execpath: cli } = process.env
  const options = { cwd: root, stdio: 'inherit' }
  if (cli !== undefined && /npm-cli\.c?js$/.test(cli)) return spawnSync(process.execPath, [cli, ...args], options)
  return spawnSync('npm', args, { ...options, shell: process.platform === 'win32' })
}

/** npm keeps what it has installed in node_modules/.package-lock.json; the first package of the lock file that is not there with its version. */
function missingPackage(all) {
  const read = (path) => (existsSync(join(root, path)) ? JSON.parse(readFileSync(join(root, path), 'utf8')).packages : {})
  const here = read('node_modules/.package-lock.json')
  for (const [path, wanted] of Object.entries(read('package-lock.json'))) {
    if (!path.startsWith('node_modules/') || wanted.optional || wanted.devOptional || wanted.peer || (wanted.dev && !all)) continue
    if (here[path]?.version !== wanted.version || !existsSync(join(root, path))) return path.replace('node_modules/', '')
  }
  const commands = ['fanfare', 'conformance'].map((name) => `node_modules/.bin/${name}`)
  return process.platform === 'win32' ? undefined : commands.find((path) => !existsSync(join(root, path)))
}

/** Changes with every source, added, removed or written. */
function sourceState() {
  const hash = createHash('sha256').update(process.versions.node)
  const folders = ['wire', 'server', 'fanfare'].map((name) => join('packages', name))
  const files = [
    'tsconfig.base.json',
    'package-lock.json',
    ...folders.flatMap((folder) => [`${folder}/tsconfig.json`, `${folder}/package.json`, ...filesBelow(`${folder}/src`)]),
  ]
  for (const file of files) {
    const { mtimeMs, size } = statSync(join(root, file))
    hash.update(`${file} ${mtimeMs} ${size}\n`)
  }
  // What was built may have been taken away.
  for (const folder of folders) hash.update(`${folder} ${existsSync(join(root, folder, 'dist/.tsbuildinfo'))}\n`)
  return hash.digest('hex')
}

function filesBelow(folder) {
  const entries = readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(root.length))
    .sort()
}
