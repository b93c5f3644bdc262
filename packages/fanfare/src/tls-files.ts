import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { certificateProblem } from '@fanfare/server'
import type { TlsOptions } from '@fanfare/server'
import type { Mistake } from './flags.ts'
import { messageOf } from './io.ts'
import type { Settings } from './settings.ts'

/** What the options of TLS come to: nothing, a certificate with its key, or what stands in the way. */
export interface TlsFiles {
  readonly tls: TlsOptions | undefined
  readonly mistakes: readonly Mistake[]
}

const names = { cert: 'tls-cert', key: 'tls-key' } as const

/** Reads both files, relative to the directory. */
export function readTls(settings: Settings, directory: string): TlsFiles {
  const [cert, key] = [settings.get('tls-cert'), settings.get('tls-key')]
  if (cert === undefined && key === undefined) return { tls: undefined, mistakes: [] }
  if (cert === undefined || key === undefined) {
    const [given, missing] = cert === undefined ? [names.key, names.cert] : [names.cert, names.key]
    return { tls: undefined, mistakes: [{ where: settings.where(given), text: `TLS needs a certificate and its key: say ${missing} too` }] }
  }
  const files = { cert: readPem(resolve(directory, cert)), key: readPem(resolve(directory, key)) }
  const mistakes: Mistake[] = []
  for (const part of ['cert', 'key'] as const) {
    const { problem } = files[part]
    if (problem !== undefined) mistakes.push({ where: settings.where(names[part]), text: problem })
  }
  if (mistakes.length > 0) return { tls: undefined, mistakes }
  const tls = { cert: files.cert.pem, key: files.key.pem }
  const problem = certificateProblem(tls)
  if (problem === undefined) return { tls, mistakes }
  const path = problem.part === 'cert' ? cert : key
  return { tls: undefined, mistakes: [{ where: settings.where(names[problem.part]), text: `${path}: ${problem.text}` }] }
}

function readPem(path: string): { readonly pem: string; readonly problem?: string } {
  try {
    return { pem: readFileSync(path, 'latin1') }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'ENOENT') return { pem: '', problem: `there is no file ${path}` }
    if (code === 'EACCES' || code === 'EPERM') return { pem: '', problem: `this user may not read ${path}` }
    return { pem: '', problem: `${path} can not be read: ${messageOf(error)}` }
  }
}
