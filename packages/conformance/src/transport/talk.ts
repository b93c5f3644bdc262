import { WebSocket } from 'ws'
import type { RawData } from 'ws'
import { rawElements } from '../receivers/raw-json.ts'
import { bytesOf } from '../receivers/websocket.ts'

/** A conversation on `/connect`: every object that came, as its text, in order. */
export class Talk {
  readonly texts: string[] = []
  close: { readonly code: number; readonly reason: string } | undefined
  readonly #socket: WebSocket
  #waiting: (() => void)[] = []

  /** `null` offers no subprotocol. */
  constructor(url: string, subprotocol: string | null = 'fanfare.v1') {
    const address = `${url.replace(/^http/, 'ws')}/connect`
    this.#socket = subprotocol === null ? new WebSocket(address) : new WebSocket(address, subprotocol)
    this.#socket.on('message', (data: RawData) => {
      const text = new TextDecoder('utf-8', { fatal: true }).decode(bytesOf(data))
      this.texts.push(...(text.startsWith('[') ? rawElements(text) : [text]))
      this.#wake()
    })
    this.#socket.on('close', (code, reason) => {
      this.close ??= { code, reason: reason.toString() }
      this.#wake()
    })
    this.#socket.on('error', (error) => {
      this.close ??= { code: 0, reason: String(error) }
      this.#wake()
    })
  }

  get objects(): readonly Record<string, unknown>[] {
    return this.texts.map((text) => JSON.parse(text) as Record<string, unknown>)
  }

  /** After `ready`. */
  async ready(): Promise<this> {
    return this.until(() => this.texts.length > 0)
  }

  say(...commands: readonly object[]): void {
    for (const command of commands) this.#socket.send(JSON.stringify(command))
  }

  sayRaw(frame: string | Uint8Array): void {
    this.#socket.send(frame)
  }

  /** The answer to a command. */
  async answer(id: number): Promise<Record<string, unknown>> {
    const found = () => this.objects.find((object) => object['id'] === id && ('ok' in object || 'error' in object))
    await this.until(() => found() !== undefined)
    return found() ?? { closed: this.close }
  }

  async until(isSo: () => boolean): Promise<this> {
    while (this.close === undefined && !isSo()) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    return this
  }

  async closed(): Promise<{ readonly code: number; readonly reason: string }> {
    await this.until(() => false)
    return this.close ?? { code: 0, reason: '' }
  }

  end(): void {
    this.#socket.terminate()
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake()
  }
}
