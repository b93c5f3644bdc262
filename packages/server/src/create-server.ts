import type { AddressInfo } from 'node:net'
import type { Server } from 'node:http'
import { encodeUtf8, FanfareError, jsonProblem, ruleFinder } from '@fanfare/wire'
import type { Message, Runtime } from '@fanfare/wire'
import { createNode } from './core/node.ts'
import type { FanfareNode, Published, PublishOptions } from './core/node-contract.ts'
import type { Engine, EngineOptions } from './engines/engine.ts'
import { openMemoryEngine } from './engines/memory-engine.ts'
import { wrapEngine } from './engines/wrap-engine.ts'
import { createGuard } from './http/guard.ts'
import { createHttpServer, listenOn } from './http/listener.ts'
import { CommitTimes, createMetrics, timedAppend } from './http/metrics.ts'
import { retryMs } from './http/receive.ts'
import type { Site } from './http/site.ts'
import { isLoopback, settingsOf } from './options.ts'
import type { ServerOptions, Settings } from './options.ts'
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
  /** Answers the requests and upgrades of this server. Returns what ends it; `close` does too. */
  attach(server: Server): () => void
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
  readonly #detach = new Set<() => void>()
  #own: Server | undefined
  #url: string | undefined
  #closing: Promise<void> | undefined

  constructor(site: Site, engine: Engine) {
    this.#site = site
    this.#engine = engine
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
    const server = createHttpServer(this.#site)
    this.#own = server
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(listen.port, listen.host, () => {
        server.off('error', reject)
        resolve()
      })
    })
    this.#url = urlOf(server.address())
    const { name, durable, forks } = this.node.traits
    this.#site.settings.log.info({ url: this.#url, engine: name, durable, forks }, `Fanfare listens on ${this.#url}`)
    return this.#url
  }

  attach(server: Server): () => void {
    const stop = listenOn(server, this.#site)
    this.#detach.add(stop)
    return () => {
      this.#detach.delete(stop)
      stop()
    }
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
    for (const detach of this.#detach) detach()
    // Not before: node takes a response that was let go for an idle connection.
    const last = deadline(lastWordsMs)
    if (this.#own !== undefined) await Promise.race([over.passed, last.passed, closeServer(this.#own)])
    last.stop()
    over.stop()
    this.#own?.closeAllConnections()
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
function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const timer = setInterval(() => server.closeIdleConnections(), idleCheckMs)
    server.close(() => {
      clearInterval(timer)
      resolve()
    })
  })
}

function urlOf(address: AddressInfo | string | null): string {
  if (address === null || typeof address === 'string') throw new Error('the server has no TCP address')
  return `http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`
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
