import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const bench = fileURLToPath(new URL('..', import.meta.url))
const project = fileURLToPath(new URL('../..', import.meta.url))
const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'

/**
 * Installs what only the measurements need, where it is not there yet, and builds the project.
 * @param {(text: string) => void} say
 * @param {boolean} build
 */
export function prepare(say, build) {
  mkdirSync(`${bench}results`, { recursive: true })
  const lock = readFileSync(`${bench}package-lock.json`, 'utf8')
  const stamp = `${bench}node_modules/.stamp-lock`
  if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== lock) {
    say('installing the peers (lmdb, ws) into bench/node_modules')
    // No install scripts: lmdb brings its binary in a package of its own.
    execFileSync(npm, ['ci', '--ignore-scripts'], { cwd: bench, stdio: ['ignore', 'ignore', 'inherit'] })
    writeFileSync(stamp, lock)
  }
  if (!existsSync(`${project}node_modules/typescript`)) {
    say('installing the project')
    execFileSync(npm, ['ci'], { cwd: project, stdio: ['ignore', 'ignore', 'inherit'] })
  }
  if (!build) return
  say('building the project')
  try {
    execFileSync(process.execPath, [`${project}node_modules/typescript/bin/tsc`, '-b', 'packages/server'], {
      cwd: project,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
  } catch (error) {
    throw new Error(`the project does not build:\n${/** @type {any} */ (error).stdout}`, { cause: error })
  }
}
