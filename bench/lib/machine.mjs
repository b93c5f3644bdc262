import { execFileSync } from 'node:child_process'
import { cpus, totalmem } from 'node:os'

/** Where the figures come from: they mean nothing without it. */
export function describeMachine() {
  const model = cpus()[0]?.model ?? 'unknown processor'
  const commit = output('git', ['rev-parse', '--short', 'HEAD'])
  const dirty = output('git', ['status', '--porcelain', '--untracked-files=no', '--', 'packages']) === '' ? '' : ' with changes'
  return [
    `${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC`,
    `${cpus().length} x ${model}, ${Math.round(totalmem() / 2 ** 30)} GiB`,
    `${process.platform} ${output('uname', ['-r'])}`,
    `Node ${process.versions.node}`,
    `commit ${commit}${dirty}`,
    `load at the end ${output('cut', ['-d ', '-f1-2', '/proc/loadavg'])}`,
  ].join(' · ')
}

/** @param {string} command @param {readonly string[]} args */
function output(command, args) {
  try {
    return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch {
    return 'unknown'
  }
}
