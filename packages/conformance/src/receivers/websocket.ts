import type { IncomingMessage } from 'node:http'
import { WebSocket } from 'ws'
import type { RawData } from 'ws'
import { toldOf } from './envelope.ts'
import { askedOf, bodyOf, endOfRefusal } from './http.ts'
import { ToldQueue } from './receiver.ts'
import type { Ask, Receiving, ReceiverRow, ToldEnd } from './receiver.ts'

/** Payloads as frames: no cursor, no channel. */
export const websocketReceiver: ReceiverRow = {
  name: 'websocket',
  transport: 'websocket',
  carriesCursor: false,
  carriesEnvelope: false,
  movesByChannel: false,
  beginsByChannel: false,
  open: (url, ask) => openWebSocket(url, ask, {}),
}

export const websocketEnvelopeReceiver: ReceiverRow = {
  name: 'websocket with envelope',
  transport: 'websocket',
  carriesCursor: true,
  carriesEnvelope: true,
  movesByChannel: false,
  beginsByChannel: false,
  open: (url, ask) => openWebSocket(url, ask, { envelope: '1' }),
}

function openWebSocket(url: string, ask: Ask, words: Readonly<Record<string, string>>): Receiving {
  const { path, headers } = askedOf(ask, 'websocket', words)
  // Of several channels it comes without being asked for.
  const envelope = 'envelope' in words || ask.channels.length > 1
  const socket = new WebSocket(url.replace(/^http/, 'ws') + path, { perMessageDeflate: false, headers: { ...headers } })
  const queue = new ToldQueue(() => socket.terminate())
  endsWith(socket, queue)
  socket.on('message', (data: RawData, isBinary: boolean) => {
    const bytes = bytesOf(data)
    if (envelope) queue.push(toldOf(new TextDecoder('utf-8', { fatal: true }).decode(bytes)))
    else queue.push({ kind: 'publication', channel: ask.channels[0] ?? '', data: bytes, type: isBinary ? 'binary' : 'text' })
  })
  return queue
}

async function refusedUpgrade(response: IncomingMessage): Promise<ToldEnd> {
  const status = response.statusCode ?? 0
  try {
    return endOfRefusal(status, response.headers, await bodyOf(response))
  } catch (error) {
    return { kind: 'end', code: status, reason: `no upgrade, and an answer that breaks off: ${String(error)}` }
  }
}

/** How the socket ends becomes the last thing told. */
export function endsWith(socket: WebSocket, queue: ToldQueue): void {
  socket.on('unexpected-response', (request, response) => {
    void refusedUpgrade(response)
      .then((end) => void queue.push(end))
      .finally(() => request.destroy())
  })
  socket.on('close', (code, reason) => queue.push({ kind: 'end', code, reason: reason.toString() }))
  socket.on('error', (error) => queue.push({ kind: 'end', code: 0, reason: String(error) }))
}

export function bytesOf(data: RawData): Uint8Array {
  if (Array.isArray(data)) return new Uint8Array(Buffer.concat(data))
  return data instanceof ArrayBuffer ? new Uint8Array(data) : new Uint8Array(data)
}
