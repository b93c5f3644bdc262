import type { AddressInfo } from 'node:net'
import { Server } from 'node:http'
import { Server as SecureServer } from 'node:https'
import { encodeUtf8, FanfareError, jsonProblem, ruleFinder } from '@fanfare/wire'
import type { Message, Runtime } from '@fanfare/wire'
import { createNode } from './core/node.ts'
import type { FanfareNode, Published, PublishOptions } from './core/node-contract.ts'
import type { Engine, EngineOptions } from './engines/engine.ts'
import { openMemoryEngine } from './engines/memory-engine.ts'
import { wrapEngine } from './engines/wrap-engine.ts'
import { attachTo } from './http/attach.ts'
import type { Attachment } from './http/attach.ts'
import { certificateFacts, certificateProblem } from './http/certificate.ts'
import { createGuard } from './http/guard.ts'
import { createListener } from './http/listener.ts'
import type { Listener } from './http/listener.ts'
import { CommitTimes, createMetrics, timedAppend } from './http/metrics.ts'
import { retryMs } from './http/receive.ts'
import type { Site } from './http/site.ts'
import { isLoopback, prefixOf, settingsOf } from './options.ts'
import type { AttachOptions, ServerOptions, Settings, TlsOptions } from './options.ts'
import { plainForms } from './protocols/plain.ts'
import { systemRuntime } from './runtime.ts'
import { HeldSet } from './transports/held.ts'
import { makeTransports } from './transports/index.ts'
import { SocketFlow } from './transports/socket-writer.ts'
import type { Ground } from './transports/transport.ts'
import { Wheel } from './transports/wheel.ts'

/** What a publication may bear besides its payload. */
export interface PublishFields extends PublishOptions {
  readonly event?: string
  readonly id?: string
  /** Media type of text or bytes. */
  readonly type?: string
}

/** A Fanfare server: over a port of its own (`listen`), inside somebody's `node:http` server (`attach`), or only within the process (`publish`). */
export interface FanfareServer {
  /** Its own URL, once it listens. */
  readonly url: string | undefined
  readonly node: FanfareNode
  /** Opens the port of the options and answers with the URL. Rejects where the port is taken. */
  listen(): Promise<string>
  /**
   * Answers on the server of an application, beside its own routes: Fanfare's own addresses, or with a `prefix` all that is below it. Returns what ends that, so
   * that nothing new is taken; what is open stays so until `close`. Throws a TypeError for a bad prefix, and an Error where one is attached there already.
   */
  attach(server: Server | SecureServer, options?: AttachOptions): () => void
  /** Takes another certificate for those who connect from now on. Throws a TypeError that says what is wrong with it; the one before stays then. */
  renewCertificate(tls: TlsOptions): void
  /** Publishes a string as text, bytes as bytes, anything else as JSON. Answers when it is committed. */
  publish(channel: string, data: unknown, fields?: PublishFields): Promise<Published>
  /**
   * Goes down cleanly: not ready any more; held polls are answered, streams told to come again, publishes in flight answered; what is left after
   * `limits.drainMs` is cut. Then the engine is closed. Closing twice is closing once.
   */
  close(): Promise<void>
}

/** Opens the engine and makes a server that doesn't listen yet. Throws a TypeError for options that are wrong. */
export async function createServer(options: ServerOptions = {}): Promise<FanfareServer> {
  const settings = settingsOf(options)
  if (settings.tls !== undefined) checkCertificate(settings.tls)
  const engine = await openEngine(settings, systemRuntime)
  const commits = new CommitTimes()
  const node = await openNode(settings, engine, commits)
  const { limits, log } = settings
  const wheel = new Wheel(systemRuntime)
  const ground: Ground = {
    node,
    limits,
    wheel,
    flow: new SocketFlow(limits, wheel),
    held: new HeldSet(),
    forms: plainForms,
    compression: settings.compression,
    report(error) {
      ground.failures++
      log.error({ error: textOf(error) }, 'a request or connection failed')
    },
    failures: 0,
  }
  const metrics = createMetrics({ node, engine, ground, commits })
  return new RunningServer(makeSite(settings, ground, metrics), engine)
}

function checkCertificate(tls: TlsOptions): void {
  const problem = certificateProblem(tls)
  if (problem !== undefined) throw new TypeError(`tls.${problem.part}: ${problem.text}`)
}

/** An error with what it came from, places in the code included. */
function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const text = error.stack ?? error.message
  return error.cause === undefined ? text : `${text}\ncaused by: ${textOf(error.cause)}`
}

/** The engine is closed again where the node can't be opened over it. */
async function openNode({ limits, rules, log }: Settings, engine: Engine, commits: CommitTimes): Promise<FanfareNode> {
  let said = false
  const refused = (error: unknown): void => {
    if (said || !engine.stats().failed) return
    said = true
    log.error({ error: textOf(error) }, 'the store failed: nothing is acknowledged until the server is started anew')
  }
  try {
    return await createNode({
      engine: wrapEngine(engine, { append: timedAppend(engine, commits, () => systemRuntime.monotonic(), refused) }),
      runtime: systemRuntime,
      rules,
      limits,
      report: (error) => log.error({ error: textOf(error) }, 'a receiver failed'),
    })
  } catch (error) {
    await engine.close()
    throw error
  }
}

function makeSite(settings: Settings, ground: Ground, metrics: Site['metrics']): Site {
  const { rules, limits, listen } = settings
  return {
    prefix: '',
    settings,
    node: ground.node,
    ground,
    transports: makeTransports(ground),
    guard: createGuard({ ...settings, loopback: isLoopback(listen.host) }),
    metrics,
    nodeName: Buffer.from(systemRuntime.random(9)).toString('base64url'),
    bodyLimits: {
      mostBytes: Math.max(...rules.map((rule) => rule.payloadBytes)),
      tooLarge: 'payload-too-large',
      bodyMs: limits.bodyMs,
    },
    ruleOf: ruleFinder(rules),
    random: (count) => systemRuntime.random(count),
    state: { draining: false, underWay: 0, onQuiet: undefined },
  }
}

async function openEngine(settings: Settings, runtime: Runtime): Promise<Engine> {
  const { engine, rules, limits, data, repair } = settings
  const options: EngineOptions = { runtime, rules, limits }
  if (typeof engine === 'function') return await engine(options)
  if (engine === 'memory') return await openMemoryEngine(options)
  // Loaded when it is wanted: a server in memory starts without it.
  const { openDiskEngine } = await import('./engines/disk/disk-engine.ts')
  const onTrouble = (error: Error): void => settings.log.error({ error: textOf(error) }, 'the store is in trouble')
  return await openDiskEngine({ ...options, directory: data, repair, onTrouble })
}

class RunningServer implements FanfareServer {
  readonly node: FanfareNode
  readonly #site: Site
  readonly #engine: Engine
  readonly #attached: Attachment[] = []
  #tls: TlsOptions | undefined
  #own: Listener | undefined
  #url: string | undefined
  #closing: Promise<void> | undefined

  constructor(site: Site, engine: Engine) {
    this.#site = site
    this.#engine = engine
    this.#tls = site.settings.tls
    this.node = site.node
  }

  get url(): string | undefined {
    return this.#url
  }

  async listen(): Promise<string> {
    const { listen, insecure } = this.#site.settings
    if (this.#own !== undefined) throw new Error('the server listens already')
    if (!insecure && !isLoopback(listen.host)) {
      throw new TypeError(`listen: others can reach ${listen.host}, and nobody is authenticated: listen on 127.0.0.1, or say insecure`)
    }
    const own = createListener(this.#site, this.#tls)
    const { server } = own
    this.#own = own
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(listen.port, listen.host, () => {
        server.off('error', reject)
        resolve()
      })
    })
    this.#url = urlOf(own.scheme, server.address())
    const { name, durable, forks } = this.node.traits
    this.#site.settings.log.info({ url: this.#url, engine: name, durable, forks }, `Fanfare listens on ${this.#url}`)
    if (this.#tls !== undefined) this.#tellCertificate(this.#tls, 'the certificate is')
    return this.#url
  }

  attach(server: Server | SecureServer, options: AttachOptions = {}): () => void {
    if (this.#closing !== undefined) throw new Error('the server is closed')
    const isServer = (given: unknown): given is Server => given instanceof Server || given instanceof SecureServer
    if (!isServer(server)) throw new TypeError('attach wants a server of node:http or node:https, such as app.listen() gives')
    const attachment = attachTo(server, { ...this.#site, prefix: prefixOf(options) })
    this.#attached.push(attachment)
    return () => attachment.detach()
  }

  renewCertificate(tls: TlsOptions): void {
    if (this.#tls === undefined) throw new Error('the server was made without tls')
    checkCertificate(tls)
    this.#own?.renew(tls)
    this.#tls = tls
    this.#tellCertificate(tls, 'the certificate was renewed: it is')
  }

  #tellCertificate(tls: TlsOptions, begin: string): void {
    const { log } = this.#site.settings
    const { names, from, until } = certificateFacts(tls)
    const now = systemRuntime.now()
    const [fields, days] = [{ names, until: until.toISOString() }, `from ${dayOf(from)} until ${dayOf(until)}`]
    if (now < from.getTime() || now > until.getTime()) log.warn(fields, `${begin} not valid today, but ${days}: clients refuse it`)
    else log.info(fields, `${begin} for ${names.join(', ')}, valid ${days}`)
  }

  async publish(channel: string, data: unknown, fields: PublishFields = {}): Promise<Published> {
    const { key, credential, ...given } = fields
    return await this.node.publish(channel, messageOf(data, given), { key, credential })
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const { state, ground, settings, metrics, node } = this.#site
    state.draining = true
    const over = deadline(settings.limits.drainMs)
    await Promise.race([over.passed, Promise.all([ground.held.leave(() => retryMs(this.#site)), quiet(this.#site)])])
    for (const attachment of this.#attached) attachment.detach()
    // Not before: node takes a response that was let go for an idle connection.
    const last = deadline(lastWordsMs)
    const own = this.#own === undefined ? [] : [closeServer(this.#own)]
    const settled = settling(this.#attached)
    await Promise.race([over.passed, last.passed, Promise.all([...own, settled.passed])])
    settled.stop()
    last.stop()
    over.stop()
    this.#own?.server.closeAllConnections()
    for (const attachment of this.#attached) attachment.cut()
    node.close()
    metrics.close()
    await this.#engine.close()
  }
}

/** No publish is under way any more. */
function quiet({ state }: Site): Promise<void> {
  if (state.underWay === 0) return Promise.resolve()
  return new Promise((resolve) => (state.onQuiet = resolve))
}

function deadline(ms: number): { readonly passed: Promise<void>; stop(): void } {
  let stop = (): void => undefined
  const passed = new Promise<void>((resolve) => (stop = systemRuntime.after(ms, resolve)))
  return { passed, stop }
}

const idleCheckMs = 50
/** What still comes then on connections that are open is no request yet. */
const lastWordsMs = 1000

/** Keep-alive connections become idle when their last answer is out; node doesn't close those by itself. */
function closeServer(listener: Listener): Promise<void> {
  const { server } = listener
  listener.cut()
  return new Promise((resolve) => {
    const timer = setInterval(() => server.closeIdleConnections(), idleCheckMs)
    server.close(() => {
      clearInterval(timer)
      resolve()
    })
  })
}

/** The last answers on the sockets of applications are out. */
function settling(attached: readonly Attachment[]): { readonly passed: Promise<void>; stop(): void } {
  const busy = (): boolean => attached.some((attachment) => attachment.busy)
  if (!busy()) return { passed: Promise.resolve(), stop: () => undefined }
  let timer: NodeJS.Timeout | undefined
  const passed = new Promise<void>((resolve) => {
    timer = setInterval(() => {
      if (busy()) return
      clearInterval(timer)
      resolve()
    }, idleCheckMs)
  })
  return { passed, stop: () => clearInterval(timer) }
}

function dayOf(date: Date): string {
  return date.toISOString().slice(0, 10)
}

function urlOf(scheme: string, address: AddressInfo | string | null): string {
  if (address === null || typeof address === 'string') throw new Error('the server has no TCP address')
  return `${scheme}://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`
}

function messageOf(data: unknown, fields: { event?: string; id?: string; type?: string }): Message {
  if (typeof data === 'string') return { data: encodeUtf8(data), format: 'text', ...fields, type: fields.type ?? 'text/plain' }
  if (data instanceof Uint8Array)
    return { data: new Uint8Array(data), format: 'bytes', ...fields, type: fields.type ?? 'application/octet-stream' }
  const json = JSON.stringify(data) as string | undefined
  const bytes = json === undefined ? undefined : encodeUtf8(json)
  if (bytes === undefined || jsonProblem(bytes) !== undefined) throw new FanfareError('payload-malformed', 'the data has no JSON')
  return { data: bytes, format: 'json', ...fields }
}
