import { createServer } from '@fanfare/server'
import type { FanfareServer, Log } from '@fanfare/server'
import { exitCodes, misused, tell } from './exit.ts'
import { messageOf, say } from './io.ts'
import type { Io } from './io.ts'
import { createLog } from './log.ts'
import { dataMistakes, listenText, serverOptions, startMistakes } from './server-options.ts'
import type { Settings } from './settings.ts'
import { readTls } from './tls-files.ts'

/** `fanfare serve`: runs until it is told to end, then drains. A second signal ends at once. */
export async function runServe(settings: Settings, rest: readonly string[], io: Io): Promise<number> {
  if (rest.length > 0) return misused(io, `serve takes flags only, not ${JSON.stringify(rest[0])}${npmHint(io)}`)
  const { tls, mistakes: tlsMistakes } = readTls(settings, io.directory)
  const mistakes = [...(await startMistakes(settings)), ...dataMistakes(settings, io.directory), ...tlsMistakes]
  tell(mistakes, io)
  if (mistakes.length > 0) return exitCodes.failed
  const log = createLog(settings.value('log'), io)
  const signals = endSignals(io)
  let server: FanfareServer | undefined
  const stopRenewing = tls === undefined ? undefined : io.onHangUp(() => server !== undefined && renew(server, settings, io, log))
  try {
    server = await createServer(serverOptions(settings, io.directory, tls, log))
    if (signals.count === 0) await announce(server, settings, log)
    return await serveUntilTold(server, signals, log)
  } catch (error) {
    await server?.close().catch((reason: unknown) => log.error({ reason }, 'the server could not be closed'))
    return failed(error, settings, io)
  } finally {
    stopRenewing?.()
    signals.close()
  }
}

/** Reads the certificate and its key again; where something is wrong with them the old ones stay. */
function renew(server: FanfareServer, settings: Settings, io: Io, log: Log): void {
  const { tls, mistakes } = readTls(settings, io.directory)
  const wrong = mistakes.map(({ where, text }) => `${where}: ${text}`).join('; ')
  if (tls === undefined) log.error({}, `the certificate was not renewed, the old one stays: ${wrong}`)
  // It says so itself.
  else server.renewCertificate(tls)
}

async function announce(server: FanfareServer, settings: Settings, log: Log): Promise<void> {
  const { name, durable } = server.node.traits
  const place = name === 'disk' ? { data: settings.value('data') } : {}
  const file = settings.file === undefined ? {} : { config: settings.file }
  if (settings.value('insecure')) log.warn({}, 'INSECURE: whoever reaches this address may publish and read everything')
  // The server itself says on the log where it listens, and what its engine promises.
  await server.listen()
  log.info({ ...place, ...file }, `publications are ${promise[durable]}`)
}

/** npm keeps flags for itself unless a -- stands before them. */
function npmHint(io: Io): string {
  return io.env['npm_lifecycle_event'] === 'start' ? '; with npm, -- comes before flags: npm start -- --listen HOST:PORT' : ''
}

async function serveUntilTold(server: FanfareServer, signals: EndSignals, log: Log): Promise<number> {
  const signal = await signals.first
  log.info({ signal }, 'draining: answers what is under way and sends receivers away; a second signal ends at once')
  const ended = await Promise.race([server.close().then(() => 'drained' as const), signals.second.then(() => 'forced' as const)])
  log.info({}, ended === 'drained' ? 'ended' : 'ended at once')
  return ended === 'drained' ? exitCodes.well : exitCodes.failed
}

const promise = {
  synced: 'on the disk before they are answered',
  replicated: 'on several nodes before they are answered',
  memory: 'in memory: they end with this process',
} as const

interface EndSignals {
  readonly count: number
  /** Resolve with the first wish to end, and with the second. */
  readonly first: Promise<string>
  readonly second: Promise<string>
  close(): void
}

function endSignals(io: Io): EndSignals {
  let count = 0
  const waiting: ((signal: string) => void)[] = []
  const first = new Promise<string>((resolve) => waiting.push(resolve))
  const second = new Promise<string>((resolve) => waiting.push(resolve))
  const close = io.onEnd((signal) => waiting[count++]?.(signal))
  return {
    get count() {
      return count
    },
    first,
    second,
    close,
  }
}

function failed(error: unknown, settings: Settings, io: Io): number {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  const listen = settings.value('listen')
  const address = listenText(listen)
  if (code === 'EADDRINUSE') {
    say(
      io.stderr,
      `${address} is in use, perhaps by another Fanfare; choose another: --listen ${listenText({ ...listen, port: listen.port + 1 })}`,
    )
  } else if (code === 'EADDRNOTAVAIL') {
    say(io.stderr, `this machine has no address ${listen.host}`)
  } else if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    say(io.stderr, `there is no address for ${listen.host}`)
  } else if (code === 'EACCES' && error instanceof Error && 'syscall' in error && error.syscall === 'listen') {
    say(io.stderr, `${address} needs rights that this process has not; ports from 1024 on don't`)
  } else {
    say(io.stderr, explained(error))
  }
  return exitCodes.failed
}

/** What the server itself says is enough; of anything else the stack is shown, for it is a fault of ours. */
function explained(error: unknown): string {
  if (error instanceof Error && ('code' in error || error instanceof TypeError)) return messageOf(error)
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
