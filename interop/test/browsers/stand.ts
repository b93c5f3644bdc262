import { Agent, createServer, request } from 'node:http'
import type { OutgoingHttpHeaders, Server } from 'node:http'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { AddressInfo } from 'node:net'
import { command } from '../../../packages/fanfare/test/support/command.ts'
import type { Command } from '../../../packages/fanfare/test/support/command.ts'
import type { LaneReport } from './lanes.ts'
import { digest, pageScript } from './lanes.ts'
import type { Page } from '../support/browsers.ts'

/** Browsers resolve every name below localhost to this machine (RFC 6761, section 6.3): names that are no loopback names to the server's guard. */
export const serverHost = 'push.localhost'

/** A port below those that the kernel gives away by itself, so that a server that was killed gets it back. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000)
    const probe = createServer()
    const free = await new Promise<boolean>((resolve) => {
      probe.once('error', () => resolve(false))
      probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
    })
    if (free) return port
  }
}

/** The real command with all transports, on a port and in a directory that outlive it. */
export class Stand {
  readonly port: number
  readonly #directory = mkdtempSync(join(tmpdir(), 'fanfare-browsers-'))
  #running: Command | undefined

  constructor(port: number, origins: readonly string[] = ['http://app.localhost']) {
    this.port = port
    const settings = { listen: `127.0.0.1:${port}`, transports: 'all', hosts: [serverHost], origins, limits: { heartbeatMs: 1000 } }
    writeFileSync(join(this.#directory, 'fanfare.yaml'), JSON.stringify(settings))
  }

  /** By a loopback name: its own pages, and this program. */
  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  /** By the name on its list of hosts: only origins on the other list may use it. */
  get listedUrl(): string {
    return `http://${serverHost}:${this.port}`
  }

  async start(): Promise<void> {
    const running = command(['serve'], { directory: this.#directory })
    this.#running = running
    await running.until((stdout) => stdout.includes('listens on http:'))
  }

  /** As a power cut for the process: nothing is said, closed or written out. */
  async kill(): Promise<void> {
    this.#running?.child.kill('SIGKILL')
    await this.#running?.ended
    this.#running = undefined
  }

  async close(): Promise<void> {
    await this.kill()
    rmSync(this.#directory, { recursive: true, force: true })
  }
}

/** What is published, and how each kind of lane has to tell of it. */
export interface Payload {
  readonly type: 'application/json' | 'text/plain' | 'application/octet-stream'
  readonly body: Buffer
}

/** Publishes in order, over one connection. */
export class Publisher {
  readonly #url: string
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 })

  constructor(url: string) {
    this.#url = url
  }

  async publish(channel: string, { type, body }: Payload, key?: string): Promise<void> {
    const headers = { 'Content-Type': type, ...(key === undefined ? {} : { 'Idempotency-Key': key }) }
    const { status, text } = await this.#post(`/channels/${channel}`, headers, body)
    if (status !== 201) throw new Error(`publish: ${status} ${text}`)
  }

  /** A batch in one commit. */
  async publishAll(channel: string, payloads: readonly Payload[]): Promise<void> {
    const items = payloads.map(({ type, body }) => {
      const place = `"channel":${JSON.stringify(channel)}`
      if (type === 'application/json') return `{${place},"data":${body.toString()}}`
      if (type === 'application/octet-stream') return `{${place},"encoding":"base64","data":"${body.toString('base64')}"}`
      return `{${place},"type":"${type}","data":${JSON.stringify(body.toString())}}`
    })
    const { status, text } = await this.#post('/publish?atomic=1', { 'Content-Type': 'application/json' }, Buffer.from(`[${items.join()}]`))
    if (status !== 200) throw new Error(`publish: ${status} ${text}`)
  }

  close(): void {
    this.#agent.destroy()
  }

  async #post(path: string, headers: OutgoingHttpHeaders, body: Buffer): Promise<{ status: number; text: string }> {
    return await new Promise((resolve, reject) => {
      const sent = request(this.#url + path, { method: 'POST', agent: this.#agent, headers }, (response) => {
        let text = ''
        response.on('data', (part: Buffer) => (text += part.toString()))
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
        response.on('error', reject)
      })
      sent.on('error', reject)
      sent.end(body)
    })
  }
}

/** A page with the lanes, from whatever origin it is opened. */
export class PageServer {
  readonly port: number
  readonly #server: Server

  private constructor(server: Server) {
    this.#server = server
    this.port = (server.address() as AddressInfo).port
  }

  static async open(port: number): Promise<PageServer> {
    const html = `<!DOCTYPE html><meta charset="utf-8"><title>Lanes</title><link rel="icon" href="data:,"><body><script>${pageScript()}</script>`
    const server = createServer((_req, res) => res.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' }).end(html))
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
    return new PageServer(server)
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

export async function reportOf(page: Page): Promise<readonly LaneReport[]> {
  return JSON.parse(await page.evaluate<string>('lanes.report()')) as LaneReport[]
}

/** How many publications each lane has. */
export async function countsOf(page: Page): Promise<Record<string, number>> {
  return await page.evaluate('Object.fromEntries(JSON.parse(lanes.report()).map(({ name, told }) => [name, told.length]))')
}

/** As an envelope has it, once in the page. */
export function enveloped({ type, body }: Payload): string {
  switch (type) {
    case 'application/json':
      return digest(JSON.stringify([JSON.parse(body.toString()), null, null]))
    case 'text/plain':
      return digest(JSON.stringify([body.toString(), type, null]))
    case 'application/octet-stream':
      return digest(JSON.stringify([body.toString('base64'), type, 'base64']))
    default:
      return type satisfies never
  }
}

/** As it is without an envelope. */
export function bare({ type, body }: Payload): string {
  return digest(type === 'application/octet-stream' ? `bytes ${body.toString('base64')}` : `text ${body.toString()}`)
}

const bareLanes = new Set(['plain WebSocket', 'plain EventSource', 'multipart'])

/** What is wrong with what a lane was told, in a line; undefined where all came, in order, once, as it was. */
export function wrongOf({ name, told }: LaneReport, payloads: readonly Payload[]): string | undefined {
  const is = bareLanes.has(name) ? bare : enveloped
  for (const [index, payload] of payloads.entries()) {
    const found = told[index]
    if (found === undefined) return `${name}: ${told.length} of ${payloads.length} came`
    if (found.is !== is(payload)) return `${name}: ${found.is} is in the place of ${is(payload)} (${index + 1})`
    if ((found.offset ?? index + 1) !== index + 1) return `${name}: offset ${found.offset} in the place of ${index + 1}`
  }
  return told.length === payloads.length ? undefined : `${name}: ${told.length} came of ${payloads.length}`
}
