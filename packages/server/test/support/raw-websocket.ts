import { createHash, randomBytes } from 'node:crypto'
import { openRaw, waitMs } from './raw-client.ts'
import type { RawConnection } from './raw-client.ts'
import { header, readAnswer, readHead, requestBytes } from './raw-http.ts'
import type { Answer, Head } from './raw-http.ts'

/** Opcodes of RFC 6455, section 5.2. */
export const opcodes = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const

export interface FrameParts {
  readonly fin?: boolean
  /** Bits 4, 2 and 1 are RSV1, RSV2 and RSV3. */
  readonly rsv?: number
  readonly opcode: number
  readonly payload?: Uint8Array | string
  /** `null` sends it unmasked, which no client may (section 5.1). */
  readonly mask?: Uint8Array | null
  /** Bytes of the extended length: 0, 2 or 8; the fewest that do, where it is not given. */
  readonly lengthBytes?: 0 | 2 | 8
  /** What the header says instead of the payload's true length. */
  readonly claimed?: bigint
}

/** The bytes of a client's frame, wrong ones included. */
export function frame(parts: FrameParts): Buffer {
  const payload = Buffer.from(parts.payload ?? '')
  const length = parts.claimed ?? BigInt(payload.length)
  const lengthBytes = parts.lengthBytes ?? (length < 126n ? 0 : length < 65_536n ? 2 : 8)
  const mask = parts.mask === undefined ? randomBytes(4) : parts.mask
  const head = Buffer.alloc(2 + lengthBytes)
  head[0] = (parts.fin === false ? 0 : 0x80) | ((parts.rsv ?? 0) << 4) | parts.opcode
  head[1] = (mask === null ? 0 : 0x80) | (lengthBytes === 0 ? Number(length) : lengthBytes === 2 ? 126 : 127)
  if (lengthBytes === 2) head.writeUInt16BE(Number(length), 2)
  if (lengthBytes === 8) head.writeBigUInt64BE(length, 2)
  if (mask === null) return Buffer.concat([head, payload])
  return Buffer.concat([head, mask, payload.map((byte, index) => byte ^ (mask[index & 3] ?? 0))])
}

export const text = (payload: Uint8Array | string): Buffer => frame({ opcode: opcodes.text, payload })
export const binary = (payload: Uint8Array): Buffer => frame({ opcode: opcodes.binary, payload })
export const ping = (payload: Uint8Array | string = ''): Buffer => frame({ opcode: opcodes.ping, payload })
export const pong = (payload: Uint8Array | string = ''): Buffer => frame({ opcode: opcodes.pong, payload })

/** A close frame; without a code its payload is empty. */
export function close(code?: number, reason: Uint8Array | string = ''): Buffer {
  if (code === undefined) return frame({ opcode: opcodes.close })
  return frame({ opcode: opcodes.close, payload: closePayload(code, reason) })
}

export function closePayload(code: number, reason: Uint8Array | string = ''): Buffer {
  return Buffer.concat([Buffer.from([code >> 8, code & 255]), Buffer.from(reason)])
}

export interface Frame {
  readonly fin: boolean
  readonly opcode: number
  readonly payload: Buffer
  /** Bit RSV1 of RFC 7692, where it was granted. */
  readonly compressed?: true
}

export interface Message {
  readonly opcode: number
  readonly payload: Buffer
}

/** A WebSocket over a raw connection. Each frame of the server's is checked for its form as it is read. */
export class RawWebSocket {
  readonly connection: RawConnection
  readonly head: Head
  readonly #deflates: boolean

  constructor(connection: RawConnection, head: Head) {
    this.connection = connection
    this.head = head
    this.#deflates = header(head, 'sec-websocket-extensions')?.startsWith('permessage-deflate') === true
  }

  send(...frames: readonly Uint8Array[]): void {
    this.connection.send(Buffer.concat(frames))
  }

  async readFrame(ms = waitMs): Promise<Frame> {
    return await this.connection.until(
      'a frame',
      (pending) => {
        const found = parseServerFrame(pending, this.#deflates)
        if (found === undefined) return undefined
        this.connection.drop(found.bytes)
        return found.frame
      },
      ms,
    )
  }

  /** The next text or binary message; pings are answered, a close or a stray continuation is an error. */
  async readMessage(ms = waitMs): Promise<Message> {
    let first: Frame | undefined
    const parts: Buffer[] = []
    for (;;) {
      const next = await this.readFrame(ms)
      if (next.opcode === opcodes.close) throw new Error(`closed instead of a message: ${describeClose(next.payload)}`)
      if (next.opcode === opcodes.ping) this.send(pong(next.payload))
      if (next.opcode >= 8) continue
      if ((first === undefined) === (next.opcode === opcodes.continuation)) throw new Error(`a fragment out of turn: opcode ${next.opcode}`)
      first ??= next
      parts.push(next.payload)
      if (next.fin) return { opcode: first.opcode, payload: Buffer.concat(parts) }
    }
  }

  /** The next message, read as JSON. */
  async readJson(ms = waitMs): Promise<unknown> {
    const { payload } = await this.readMessage(ms)
    return JSON.parse(payload.toString()) as unknown
  }

  /** Reads on to the close frame; 1005 where it has no code. */
  async readClose(ms = waitMs): Promise<{ readonly code: number; readonly reason: string }> {
    for (;;) {
      const next = await this.readFrame(ms)
      if (next.opcode === opcodes.close) return parseClose(next.payload)
    }
  }

  /** Reads the server's close frame, does the client's part of the closing handshake, and waits for the end of the connection (section 7.1.1). */
  async closed(ms = waitMs): Promise<{ readonly code: number; readonly reason: string }> {
    const closing = await this.readClose(ms)
    this.send(closing.code === 1005 ? close() : close(closing.code))
    await this.connection.untilEnd('the end of the TCP connection after the closing handshake', ms)
    return closing
  }
}

export function parseClose(payload: Buffer): { readonly code: number; readonly reason: string } {
  if (payload.length === 0) return { code: 1005, reason: '' }
  if (payload.length === 1) throw new Error('a close frame of the server has 1 byte')
  const code = payload.readUInt16BE(0)
  const sendable = (code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code)) || (code >= 3000 && code <= 4999)
  if (!sendable) throw new Error(`the server sent the close code ${code}, which nobody may send`)
  return { code, reason: new TextDecoder('utf-8', { fatal: true }).decode(payload.subarray(2)) }
}

function describeClose(payload: Buffer): string {
  const { code, reason } = parseClose(payload)
  return `${code} ${reason}`
}

/** Section 5: what a server may send. Throws where it is something else. */
function parseServerFrame(pending: Buffer, deflates: boolean): { readonly frame: Frame; readonly bytes: number } | undefined {
  const [first, second] = pending
  if (first === undefined || second === undefined) return undefined
  const opcode = first & 15
  const fin = (first & 0x80) !== 0
  const compressed = deflates && (opcode === opcodes.text || opcode === opcodes.binary) && (first & 0x40) !== 0
  if ((first & (compressed ? 0x30 : 0x70)) !== 0) throw new Error('the server set a reserved bit without an extension (section 5.2)')
  if (!(Object.values(opcodes) as number[]).includes(opcode)) throw new Error(`the server sent the reserved opcode ${opcode} (section 5.2)`)
  if ((second & 0x80) !== 0) throw new Error('the server masked a frame (section 5.1)')
  const short = second & 127
  if (opcode >= 8 && (short > 125 || !fin)) throw new Error('the server sent a long or fragmented control frame (section 5.5)')
  const at = short === 127 ? 10 : short === 126 ? 4 : 2
  if (pending.length < at) return undefined
  const length = short === 127 ? Number(pending.readBigUInt64BE(2)) : short === 126 ? pending.readUInt16BE(2) : short
  if ((short === 126 && length < 126) || (short === 127 && length < 65_536))
    throw new Error('the server took more bytes for a length than it needs (section 5.2)')
  if (pending.length < at + length) return undefined
  return {
    frame: { fin, opcode, payload: Buffer.from(pending.subarray(at, at + length)), ...(compressed ? { compressed } : {}) },
    bytes: at + length,
  }
}

/** Section 4.2.2, 5.4: what the server answers to a key. */
export function acceptOf(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
}

/** The headers of a good opening handshake, each of which a test may replace or (by `null`) leave out. */
export function handshakeHeaders(
  changes: Readonly<Record<string, string | null>> = {},
  key = randomBytes(16).toString('base64'),
): [string, string][] {
  const wanted: Record<string, string | null> = {
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Key': key,
    'Sec-WebSocket-Version': '13',
    ...changes,
  }
  return Object.entries(wanted).filter((pair): pair is [string, string] => pair[1] !== null)
}

/** Opens a WebSocket, or throws with the answer that came instead. */
export async function openWebSocket(
  port: number,
  path: string,
  headers: readonly (readonly [string, string])[] = [],
): Promise<RawWebSocket> {
  const connection = await openRaw(port)
  const key = randomBytes(16).toString('base64')
  connection.send(requestBytes(port, { path, headers: [...handshakeHeaders({}, key), ...headers] }))
  const head = await readHead(connection)
  if (head.status !== 101) throw new Error(`no WebSocket but the status ${head.status}`)
  if (header(head, 'sec-websocket-accept') !== acceptOf(key)) throw new Error('Sec-WebSocket-Accept does not fit the key')
  return new RawWebSocket(connection, head)
}

/** Tries a handshake and gives the answer, whatever it is; the connection stays open in it where the answer is 101. */
export async function tryHandshake(
  port: number,
  path: string,
  headers: readonly (readonly [string, string | null])[],
  request: { readonly method?: string; readonly version?: string } = {},
): Promise<Answer & { readonly connection: RawConnection }> {
  const connection = await openRaw(port)
  connection.send(requestBytes(port, { path, headers, ...request }))
  return { ...(await readAnswer(connection, request.method ?? 'GET')), connection }
}
