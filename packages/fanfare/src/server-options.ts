import type { Log, ServerOptions, TlsOptions } from '@fanfare/server'
import { lookup } from 'node:dns/promises'
import { existsSync, statSync } from 'node:fs'
import { isIP } from 'node:net'
import { dirname, resolve } from 'node:path'
import type { Mistake } from './flags.ts'
import type { Settings } from './settings.ts'
import type { Listen } from './words.ts'

/** What the library is told. */
export function serverOptions(settings: Settings, directory: string, tls: TlsOptions | undefined, log: Log): ServerOptions {
  const transports = settings.get('transports')
  const origins = settings.get('origins')
  const hosts = settings.get('hosts')
  return {
    listen: listenText(settings.value('listen')),
    engine: settings.value('engine'),
    data: resolve(directory, settings.value('data')),
    repair: settings.value('repair'),
    ...(tls === undefined ? {} : { tls }),
    ...(transports === undefined ? {} : { transports }),
    ...(origins === undefined ? {} : { origins }),
    ...(hosts === undefined ? {} : { hosts }),
    rules: settings.rules,
    limits: settings.limits,
    insecure: settings.value('insecure'),
    compression: settings.value('compression'),
    log,
  }
}

export function listenText({ host, port }: Listen): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** Loopback addresses: only programs of this machine reach them. */
function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^(?:::ffff:)?127(?:\.[0-9]{1,3}){3}$/.test(host)
}

/** What stands in the way of a start, although each word is right by itself. */
export async function startMistakes(settings: Settings): Promise<readonly Mistake[]> {
  const listen = settings.value('listen')
  if (isLoopback(listen.host) || settings.value('insecure')) return []
  const where = settings.where('listen')
  if (isIP(listen.host) === 0 && !(await hasAddress(listen.host))) return [{ where, text: `there is no address for ${listen.host}` }]
  const insecure = where.startsWith('--') ? '--insecure' : where.startsWith('FANFARE_') ? 'FANFARE_INSECURE=true' : 'insecure: true'
  const text = `${listenText(listen)} can be reached by others, and there is no authentication yet: listen on 127.0.0.1 behind a proxy that has it, or say ${insecure}`
  return [{ where, text }]
}

async function hasAddress(name: string): Promise<boolean> {
  return lookup(name).then(
    () => true,
    () => false,
  )
}

/** Why nothing can be kept in the data directory, as far as its path says it. */
export function dataMistakes(settings: Settings, directory: string): readonly Mistake[] {
  const data = settings.value('data')
  if (settings.value('engine') !== 'disk') return []
  for (let path = resolve(directory, data), before = ''; path !== before; before = path, path = dirname(path)) {
    if (!existsSync(path)) continue
    if (statSync(path).isDirectory()) return []
    const reason = path === resolve(directory, data) ? 'it is a file' : `${path} is a file`
    return [{ where: settings.where('data'), text: `the data directory ${data} can not be used: ${reason}` }]
  }
  return []
}
