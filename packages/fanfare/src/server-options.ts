import type { Log, ServerOptions } from '@fanfare/server'
import { resolve } from 'node:path'
import type { Mistake } from './flags.ts'
import type { Settings } from './settings.ts'
import type { Listen } from './words.ts'

/** What the library is told. */
export function serverOptions(settings: Settings, directory: string, log: Log): ServerOptions {
  const transports = settings.get('transports')
  const origins = settings.get('origins')
  const hosts = settings.get('hosts')
  return {
    listen: listenText(settings.value('listen')),
    engine: settings.value('engine'),
    data: resolve(directory, settings.value('data')),
    repair: settings.value('repair'),
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
export function startMistakes(settings: Settings): readonly Mistake[] {
  const listen = settings.value('listen')
  if (isLoopback(listen.host) || settings.value('insecure')) return []
  const text = `${listenText(listen)} can be reached by others, and there is no authentication yet: listen on 127.0.0.1 behind a proxy that has it, or say --insecure`
  return [{ where: settings.where('listen'), text }]
}
