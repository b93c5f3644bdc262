import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { ByteWriter, cutToBytes, encodeUtf8, writePingFrame } from '@fanfare/wire'
import { WebSocket, WebSocketServer } from 'ws'
import type { RawData, ServerOptions } from 'ws'
import type { Outlet } from '../core/sink.ts'
import type { Conversation, Framing, Link, Waiting } from '../protocols/protocol.ts'
import type { Held } from './held.ts'
import type { SocketOwner } from './socket-writer.ts'
import { SocketWriter } from './socket-writer.ts'
import type { Ground, Transport, UpgradeCall } from './transport.ts'
import { deflatedFraming, framing } from './websocket-framing.ts'
import type { Timed, WheelTimer } from './wheel.ts'

/** A peer that says nothing to so many pings in a row, while nothing else was sent to it, is gone. */
const mostPingsMissed = 2
/** How long a peer has for its part of the closing handshake. */
const closeTimeoutMs = 2000
/** Fragments of a message, and pieces that wait to become one, are at least this large on average: a message in single bytes costs a hundred times its size. */
const fragmentBytes = 64
const mostPongsWaiting = 64

/**
 * WebSocket (RFC 6455). `ws` shakes hands, reads, and does control frames; data frames are built once for all receivers and written to the raw socket, each
 * in one write, so that control frames fall between them.
 */
export function websocket(ground: Ground): Transport {
  let answering: UpgradeCall | undefined
  const { frameBytes } = ground.limits
  // Some options are younger than the types of `ws`.
  const options: ServerOptions<typeof PatientWebSocket> & {
    readonly closeTimeout: number
    readonly maxPendingAutoPongs: number
    readonly maxFragments: number
    readonly maxBufferedChunks: number
  } = {
    noServer: true,
    clientTracking: false,
    closeTimeout: closeTimeoutMs,
    maxPayload: frameBytes,
    maxFragments: Math.ceil(frameBytes / fragmentBytes),
    maxBufferedChunks: Math.ceil(frameBytes / fragmentBytes),
    maxPendingAutoPongs: mostPongsWaiting,
    WebSocket: PatientWebSocket,
    handleProtocols: () => answering?.subprotocol ?? false,
    perMessageDeflate: ground.compression ? { serverNoContextTakeover: true, clientNoContextTakeover: true, concurrencyLimit: 2 } : false,
  }
  const server = new WebSocketServer<typeof PatientWebSocket>(options)
  return {
    name: 'websocket',
    upgrade(call) {
      // `ws` calls back before it returns, or refuses by itself.
      answering = call
      server.handleUpgrade(call.req, call.socket, call.head, (ws: PatientWebSocket, req: IncomingMessage) => {
        new WebSocketLink(ground, ws, req.socket).open(call)
      })
      answering = undefined
    },
  }
}

const ping = frameOf((out) => writePingFrame(out))
const scratch = new ByteWriter(1024)

function frameOf(write: (out: ByteWriter) => void): Uint8Array {
  const out = new ByteWriter(16)
  write(out)
  return out.slice()
}

/** Answers a close only when what was sent before it has been dealt with: messages are committed meanwhile, which `ws` can't know. */
class PatientWebSocket extends WebSocket {
  link: WebSocketLink | undefined
  /** The link takes over the answer to a close or to a violation, once. */
  patient = true

  override close(code?: number, data?: string | Buffer): void {
    const takesOver = this.patient && this.readyState === WebSocket.OPEN
    this.patient = false
    if (!takesOver || this.link?.ending(() => this.#closeNow(code, data)) !== true) this.#closeNow(code, data)
  }

  #closeNow(code?: number, data?: string | Buffer): void {
    super.close(code, data)
    this.link?.shut()
  }
}

// Listeners, the same for all connections: an idle one has no functions of its own.
function heardMessage(this: WebSocket, data: RawData, binary: boolean): void {
  linkOf(this)?.message(data, binary)
}

function heardPong(this: WebSocket): void {
  linkOf(this)?.pong()
}

function closed(this: WebSocket): void {
  linkOf(this)?.ended()
}

/** `ws` closes with the code that fits; `close` follows. */
function failed(): void {
  return undefined
}

function linkOf(ws: WebSocket): WebSocketLink | undefined {
  return ws instanceof PatientWebSocket ? ws.link : undefined
}

class WebSocketLink implements Link, SocketOwner, Held, Timed {
  readonly transport = 'websocket'
  readonly framing: Framing
  readonly #ground: Ground
  readonly #ws: PatientWebSocket
  readonly #writer: SocketWriter
  readonly #timer: WheelTimer
  #conversation: Conversation | undefined
  #parked: Waiting[] | undefined
  #turn = 0
  #holds = 0
  #answersWait = false
  #heard = true
  #pingsMissed = 0

  constructor(ground: Ground, ws: PatientWebSocket, socket: Duplex) {
    this.#ground = ground
    this.#ws = ws
    this.framing = ws.extensions === '' ? framing : deflatedFraming
    this.#timer = ground.wheel.timer(this)
    this.#writer = new SocketWriter(socket, ground.flow, this)
  }

  open(call: UpgradeCall): void {
    const ws = this.#ws
    ws.link = this
    ws.on('message', heardMessage)
    ws.on('pong', heardPong)
    ws.on('error', failed)
    ws.on('close', closed)
    this.#ground.held.add(this)
    this.#timer.start(this.#ground.limits.pingMs)
    this.#conversation = call.converse(this)
  }

  get outlet(): Outlet {
    return this.#writer
  }

  get full(): boolean {
    return this.#writer.full
  }

  write(bytes: Uint8Array): void {
    this.#writer.write(bytes)
  }

  afterWrites(call: () => void): void {
    this.#writer.onWritten = call
  }

  send(text: string): void {
    scratch.clear()
    this.framing.text(scratch, encodeUtf8(text))
    this.write(scratch.slice())
    if (!this.full || this.#answersWait) return
    // A client that asks and doesn't read gets no more answers until it does.
    this.#answersWait = true
    this.#flow()
  }

  park(waiting: Waiting): void {
    this.#parked ??= []
    this.#parked.push(waiting)
  }

  hold(): void {
    this.#holds++
    this.#flow()
  }

  release(): void {
    this.#holds--
    this.#flow()
  }

  close(code: number, reason: string): void {
    if (this.#ws.readyState !== WebSocket.OPEN) return
    this.#ws.patient = false
    this.#ws.close(code, cutToBytes(reason, 123))
    this.#flow()
    queueMicrotask(() => this.ended())
  }

  room(): void {
    const parked = this.#parked
    if (parked !== undefined) {
      this.#parked = undefined
      const first = this.#turn++ % parked.length
      for (let i = 0; i < parked.length; i++) parked[(first + i) % parked.length]?.drained()
    }
    if (!this.#answersWait) return
    this.#answersWait = false
    this.#flow()
  }

  gone(): void {
    this.ended()
    this.#ground.held.remove(this)
  }

  leave(afterMs: number): void {
    if (this.#conversation === undefined) this.close(1012, 'the server goes down: connect again')
    else this.#conversation.leave(afterMs)
  }

  onTime(): void {
    if (this.#heard || this.#writer.wrote) this.#pingsMissed = 0
    else if (++this.#pingsMissed >= mostPingsMissed) return this.#ws.terminate()
    this.#heard = false
    this.#timer.start(this.#ground.limits.pingMs)
    if (!this.full) this.#writer.write(ping)
    // A ping alone says nothing of the peer.
    this.#writer.wrote = false
    this.#conversation?.beat()
  }

  message(data: RawData, binary: boolean): void {
    this.#heard = true
    // `ws` gives Buffers unless it is told otherwise.
    if (!Buffer.isBuffer(data)) return
    try {
      this.#conversation?.message(data, binary)
    } catch (error) {
      this.#ground.report(error)
      this.close(1011, 'internal')
    }
  }

  pong(): void {
    this.#heard = true
  }

  /** The client, or what it broke, ends the connection. True where the answer comes later. */
  ending(answer: () => void): boolean {
    const conversation = this.#conversation
    if (conversation === undefined) return false
    const timer = this.#ground.wheel.timer({ onTime: () => answer() })
    timer.start(closeTimeoutMs)
    conversation.ending(() => {
      timer.stop()
      answer()
    })
    return true
  }

  /** Our close frame was sent, and no data may follow it (RFC 6455, section 5.5.1). */
  shut(): void {
    this.#writer.shut()
  }

  ended(): void {
    const conversation = this.#conversation
    this.#conversation = undefined
    this.#timer.stop()
    conversation?.closed()
  }

  #flow(): void {
    // The rest of a closing handshake is read even where nothing else was.
    if ((this.#holds > 0 || this.#answersWait) && this.#ws.readyState === WebSocket.OPEN) this.#ws.pause()
    else this.#ws.resume()
  }
}
