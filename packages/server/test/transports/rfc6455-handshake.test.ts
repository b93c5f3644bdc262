import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { closeRaw, openRaw } from '../support/raw-client.ts'
import { header, readHead, requestBytes } from '../support/raw-http.ts'
import { RawWebSocket, acceptOf, handshakeHeaders, opcodes, openWebSocket, text, tryHandshake } from '../support/raw-websocket.ts'
import { startServer } from '../support/start-server.ts'
import type { TestServer } from '../support/start-server.ts'

// The opening handshake of RFC 6455, section 4, at the address of a channel. A refusal is an HTTP answer, and the connection ends behind it.

let server: TestServer
const path = '/channels/echo'

beforeAll(async () => {
  server = await startServer()
})
afterAll(async () => await server.close())
afterEach(closeRaw)

/** The handshake is answered without 101, with one of these statuses, and the server ends the connection. */
async function expectRefused(
  headers: readonly (readonly [string, string | null])[],
  statuses: readonly number[],
  request: { method?: string; version?: string } = {},
) {
  const answer = await tryHandshake(server.port, path, headers, request)
  expect(statuses).toContain(answer.status)
  await answer.connection.untilEnd()
  return answer
}

async function expectOpens(headers: readonly (readonly [string, string | null])[]): Promise<RawWebSocket> {
  const { status, connection, ...head } = await tryHandshake(server.port, path, headers)
  expect(status).toBe(101)
  const socket = new RawWebSocket(connection, { ...head, status })
  socket.send(text('hello'))
  expect((await socket.readMessage()).payload.toString()).toBe('hello')
  return socket
}

describe('RFC 6455, section 1.3 and 4.2.2: the answer', () => {
  it('proves with the RFC’s own example key that the server read it', async () => {
    const answer = await tryHandshake(server.port, path, handshakeHeaders({}, 'dGhlIHNhbXBsZSBub25jZQ=='))
    expect(answer.status).toBe(101)
    expect(header(answer, 'sec-websocket-accept')).toBe('s3pPLMBiTxaQ9kYGzzhZRbK+xOo=')
    expect(acceptOf('dGhlIHNhbXBsZSBub25jZQ==')).toBe('s3pPLMBiTxaQ9kYGzzhZRbK+xOo=')
  })

  it('has Upgrade: websocket and Connection: Upgrade, over HTTP/1.1', async () => {
    const { head } = await openWebSocket(server.port, path)
    expect(head.version).toBe('HTTP/1.1')
    expect(header(head, 'upgrade')?.toLowerCase()).toBe('websocket')
    expect(header(head, 'connection')?.toLowerCase()).toBe('upgrade')
  })

  it('is a whole handshake when the request comes byte by byte', async () => {
    const connection = await openRaw(server.port)
    for (const byte of requestBytes(server.port, { path, headers: handshakeHeaders() })) await connection.sent(Buffer.of(byte))
    expect((await readHead(connection)).status).toBe(101)
  })

  it('loses no frame that came in the same segment as the request', async () => {
    const connection = await openRaw(server.port)
    connection.send(Buffer.concat([requestBytes(server.port, { path, headers: handshakeHeaders() }), text('early')]))
    const socket = new RawWebSocket(connection, await readHead(connection))
    expect((await socket.readMessage()).payload.toString()).toBe('early')
  })
})

describe('RFC 6455, section 4.2.1: the request', () => {
  it('1: is a GET; any other method is refused', async () => {
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) await expectRefused(handshakeHeaders(), [400, 403, 405], { method })
  })

  it('1: is HTTP/1.1 or later; HTTP/1.0 is refused and the socket destroyed', async () => {
    await expectRefused(handshakeHeaders(), [400, 426, 505], { version: 'HTTP/1.0' })
  })

  it('2: has a Host; without one it is refused and the socket destroyed', async () => {
    await expectRefused([['Host', null], ...handshakeHeaders()], [400])
  })

  it.each([
    ['WebSocket', 'Upgrade'],
    ['WEBSOCKET', 'upgrade'],
    ['websocket', 'UPGRADE'],
    ['websocket', 'keep-alive, Upgrade'],
    ['websocket', 'Upgrade,keep-alive'],
    ['websocket', 'keep-alive ,\t upgrade , x'],
    ['foo, websocket', 'Upgrade'],
    ['websocket, foo/2', 'Upgrade'],
  ])('3 and 4: the tokens are found in any case and in lists: Upgrade: %s, Connection: %s', async (upgrade, connection) => {
    await expectOpens(handshakeHeaders({ Upgrade: upgrade, Connection: connection }))
  })

  it.each([
    ['websocketx', 'Upgrade'],
    ['web socket', 'Upgrade'],
    ['', 'Upgrade'],
    ['h2c', 'Upgrade'],
    ['websocket', 'keep-alive'],
    ['websocket', 'Upgrades'],
    ['websocket', 'not-upgrade'],
    [null, 'Upgrade'],
    ['websocket', null],
  ])('3 and 4: is no WebSocket with Upgrade: %s, Connection: %s', async (upgrade, connection) => {
    const answer = await tryHandshake(server.port, path, handshakeHeaders({ Upgrade: upgrade, Connection: connection }))
    expect(answer.status).not.toBe(101)
    expect(answer.status).toBeLessThan(500)
  })

  it.each([
    ['missing', null],
    ['empty', ''],
    ['15 bytes', Buffer.alloc(15, 1).toString('base64')],
    ['17 bytes', Buffer.alloc(17, 1).toString('base64')],
    ['32 bytes', Buffer.alloc(32, 1).toString('base64')],
    ['no base64', '!!!!!!!!!!!!!!!!!!!!!!=='],
    ['URL-safe base64', '__________________-_-w=='],
    ['base64 without padding', 'dGhlIHNhbXBsZSBub25jZQ'],
    ['two keys in one', 'dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ=='],
  ])('5: has a key of 16 bytes in base64; one that is %s is refused', async (_what, key) => {
    await expectRefused(handshakeHeaders({ 'Sec-WebSocket-Key': key }), [400])
  })

  it('5: has one key; a second header is refused (section 11.3.1)', async () => {
    const twice = [...handshakeHeaders(), ['Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ=='] as const]
    await expectRefused(twice, [400])
  })

  it.each([[null], [''], ['0'], ['8'], ['12'], ['14'], ['130'], ['013'], ['13.0'], ['-13'], ['websocket'], ['8, 13']])(
    '6 and 4.4: the version is 13; %s gets 426 and is told so',
    async (version) => {
      const answer = await expectRefused(handshakeHeaders({ 'Sec-WebSocket-Version': version }), [426])
      expect(header(answer, 'sec-websocket-version')).toBe('13')
      expect(header(answer, 'upgrade')?.toLowerCase()).toBe('websocket')
    },
  )

  it('reads names of headers in any case', async () => {
    await expectOpens(handshakeHeaders().map(([name, value]) => [name.toUpperCase(), value] as const))
  })
})

describe('RFC 6455, section 4.2.2 and 11.3.4: subprotocols', () => {
  it('names fanfare.v1 on /connect where it was offered, whatever else was', async () => {
    for (const offered of ['fanfare.v1', 'foo, fanfare.v1', 'fanfare.v1,foo']) {
      const { head } = await openWebSocket(server.port, '/connect', [['Sec-WebSocket-Protocol', offered]])
      expect(header(head, 'sec-websocket-protocol')).toBe('fanfare.v1')
    }
  })

  it('names it where the offer comes in two headers', async () => {
    const offer: [string, string][] = [
      ['Sec-WebSocket-Protocol', 'foo'],
      ['Sec-WebSocket-Protocol', 'fanfare.v1'],
    ]
    const { head } = await openWebSocket(server.port, '/connect', offer)
    expect(header(head, 'sec-websocket-protocol')).toBe('fanfare.v1')
  })

  it('names none where none was offered', async () => {
    for (const address of [path, '/connect']) {
      const { head } = await openWebSocket(server.port, address)
      expect(header(head, 'sec-websocket-protocol')).toBeUndefined()
    }
  })

  it('never names one that was not offered', async () => {
    for (const address of [path, '/connect']) {
      const answer = await tryHandshake(server.port, address, [...handshakeHeaders(), ['Sec-WebSocket-Protocol', 'foo, bar']])
      expect([101, 400]).toContain(answer.status)
      expect(['foo', 'bar', undefined]).toContain(header(answer, 'sec-websocket-protocol'))
    }
  })

  it('compares them byte for byte', async () => {
    const answer = await tryHandshake(server.port, '/connect', [...handshakeHeaders(), ['Sec-WebSocket-Protocol', 'FANFARE.V1']])
    expect(header(answer, 'sec-websocket-protocol')).toBeUndefined()
  })

  it.each([['a, a'], ['a,,b'], ['a b'], ['fanfare.v1, fanfare.v1'], ['(a)'], [',']])(
    '4.1 (10): refuses the list %s, which is none',
    async (offered) => {
      await expectRefused([...handshakeHeaders(), ['Sec-WebSocket-Protocol', offered]], [400])
    },
  )
})

describe('RFC 6455, section 9.1: extensions', () => {
  it('accepts none that was not offered', async () => {
    const { head } = await openWebSocket(server.port, path)
    expect(header(head, 'sec-websocket-extensions')).toBeUndefined()
  })

  it.each([['x-unknown'], ['permessage-foo; a=1, x-webkit-bar'], ['permessage-deflate'], ['permessage-deflate; client_max_window_bits']])(
    'leaves %s aside, and the channel works without it (compression is off unless asked for)',
    async (offered) => {
      const socket = await expectOpens([...handshakeHeaders(), ['Sec-WebSocket-Extensions', offered]])
      expect(header(socket.head, 'sec-websocket-extensions')).toBeUndefined()
    },
  )

  it('refuses or ignores a malformed list, and does not fail itself', async () => {
    for (const offered of ['permessage-deflate;;', ';=', 'a;b="']) {
      const answer = await tryHandshake(server.port, path, [...handshakeHeaders(), ['Sec-WebSocket-Extensions', offered]])
      expect([101, 400]).toContain(answer.status)
    }
  })
})

describe('RFC 6455, section 4.2: what a refused handshake leaves behind', () => {
  it('is nothing: bytes behind it are not read as a second request', async () => {
    const connection = await openRaw(server.port)
    const refused = requestBytes(server.port, { path, headers: handshakeHeaders({ 'Sec-WebSocket-Version': '7' }) })
    connection.send(Buffer.concat([refused, requestBytes(server.port, { path: '/healthz' })]))
    const answers = (await connection.untilEnd()).toString('latin1')
    expect(answers.match(/HTTP\/1\.1 /g)).toHaveLength(1)
    expect(answers).toMatch(/^HTTP\/1\.1 426 /)
  })

  it('and other connections do not notice', async () => {
    const socket = await openWebSocket(server.port, path)
    await expectRefused(handshakeHeaders({ 'Sec-WebSocket-Key': 'x' }), [400])
    socket.send(text('still here'))
    expect(await socket.readMessage()).toEqual({ opcode: opcodes.text, payload: Buffer.from('still here') })
  })
})
