import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { countOf, innards, publish } from '../support/problems.ts'
import { closeRaw } from '../support/raw-client.ts'
import { send } from '../support/raw-http.ts'
import { binary, frame, opcodes, openWebSocket, text } from '../support/raw-websocket.ts'
import type { RawWebSocket } from '../support/raw-websocket.ts'
import { startServer } from '../support/start-server.ts'
import type { TestServer } from '../support/start-server.ts'

// fanfare.v1 on /connect (CONTRACT section 6): each bad command gets an error reply, and only a frame that holds no commands ends the connection.

let server: TestServer
let port: number

beforeAll(async () => {
  server = await startServer({ rules: [{ match: 'small', payloadBytes: 100 }], limits: { channelsPerConnection: 5 } })
  port = server.port
})
afterAll(async () => await server.close())
afterEach(closeRaw)

interface Reply {
  readonly id?: unknown
  readonly ok?: Readonly<Record<string, unknown>>
  readonly error?: { readonly code: string; readonly message: string; readonly retry: boolean }
}

async function connect(headers: readonly (readonly [string, string])[] = []): Promise<RawWebSocket> {
  const socket = await openWebSocket(port, '/connect', headers)
  const ready = (await socket.readJson()) as { ready?: { node?: unknown; heartbeat?: unknown } }
  expect(ready.ready?.node).toMatch(/./)
  expect(ready.ready?.heartbeat).toBeGreaterThan(0)
  return socket
}

/** Sends a frame and gives the next message that is a reply. */
async function ask(socket: RawWebSocket, command: string): Promise<Reply> {
  socket.send(text(command))
  return await readReply(socket)
}

async function readReply(socket: RawWebSocket): Promise<Reply> {
  for (;;) {
    const message = await socket.readMessage()
    expect(message.opcode).toBe(opcodes.text)
    expect(message.payload.toString()).not.toMatch(innards)
    const reply = JSON.parse(message.payload.toString()) as Reply
    if (reply.ok !== undefined || reply.error !== undefined) return reply
  }
}

/** The connection is open and in order: the next command is answered. */
async function expectAlive(socket: RawWebSocket): Promise<void> {
  expect(await ask(socket, '{"id":99,"ping":{}}')).toEqual({ id: 99, ok: {} })
}

async function expectError(socket: RawWebSocket, command: string, code: string | undefined): Promise<void> {
  const reply = await ask(socket, command)
  expect(reply).toMatchObject({ id: 1, error: { message: expect.stringMatching(/./) as unknown, retry: expect.any(Boolean) as unknown } })
  expect(reply.ok).toBeUndefined()
  expect(reply.error?.code).toMatch(/^[a-z]+(-[a-z]+)*$/)
  if (code !== undefined) expect(reply.error?.code).toBe(code)
  await expectAlive(socket)
}

describe('the opening', () => {
  it.each([[[]], [[['Sec-WebSocket-Protocol', 'fanfare.v1'] as const]]])(
    'is ready with the subprotocol and with none: %j',
    async (headers) => {
      await expectAlive(await connect(headers))
    },
  )
})

describe('a command that is refused', () => {
  it.each([
    ['{"id":1,"nonsense":{}}', 'command-unknown'],
    ['{"id":1,"toString":{}}', 'command-unknown'],
    ['{"id":1,"constructor":{}}', 'command-unknown'],
    ['{"id":1,"__proto__":{}}', 'command-unknown'],
    ['{"id":1,"Ping":{}}', 'command-unknown'],
    ['{"id":1,"authenticate":{"token":"x"}}', 'not-available'],
    ['{"id":1,"presence":{"channel":"a"}}', 'not-available'],
    ['{"id":1,"call":{}}', 'not-available'],
    ['{"id":1}', undefined],
    ['{"id":1,"ping":{},"subscribe":{"channel":"a"}}', 'command-invalid'],
    ['{"id":1,"subscribe":null}', undefined],
    ['{"id":1,"subscribe":"a"}', undefined],
    ['{"id":1,"subscribe":[]}', undefined],
    ['{"id":1,"subscribe":{}}', undefined],
    ['{"id":1,"subscribe":{"channel":5}}', 'channel-name-invalid'],
    ['{"id":1,"subscribe":{"channel":""}}', 'channel-name-invalid'],
    ['{"id":1,"subscribe":{"channel":"a//b"}}', 'channel-name-invalid'],
    ['{"id":1,"subscribe":{"channel":"a\\u0000"}}', 'channel-name-invalid'],
    ['{"id":1,"subscribe":{"channel":"a\\udc00"}}', 'channel-name-invalid'],
    ['{"id":1,"subscribe":{"channel":"e\\u0301"}}', 'channel-name-invalid'],
    [`{"id":1,"subscribe":{"channel":"${'x'.repeat(256)}"}}`, 'channel-name-invalid'],
    ['{"id":1,"subscribe":{"channel":"$sys"}}', 'channel-reserved'],
    ['{"id":1,"subscribe":{"channel":"a","since":"now"}}', 'cursor-invalid'],
    ['{"id":1,"subscribe":{"channel":"a","since":""}}', 'cursor-invalid'],
    ['{"id":1,"subscribe":{"channel":"a","since":5}}', 'cursor-invalid'],
    ['{"id":1,"subscribe":{"channel":"a","last":-1}}', 'parameter-invalid'],
    ['{"id":1,"subscribe":{"channel":"a","last":1.5}}', 'parameter-invalid'],
    ['{"id":1,"subscribe":{"channel":"a","last":"x"}}', 'parameter-invalid'],
    ['{"id":1,"subscribe":{"channel":"a","onGap":"x"}}', 'parameter-invalid'],
    ['{"id":1,"unsubscribe":{"channel":"never"}}', 'not-subscribed'],
    ['{"id":1,"unsubscribe":{}}', undefined],
    ['{"id":1,"unsubscribe":{"channel":"a//b"}}', undefined],
    ['{"id":1,"publish":{}}', undefined],
    ['{"id":1,"publish":{"channel":"refused"}}', 'payload-malformed'],
    ['{"id":1,"publish":{"channel":"a//b","data":1}}', 'channel-name-invalid'],
    ['{"id":1,"publish":{"channel":"$sys","data":1}}', 'channel-reserved'],
    ['{"id":1,"publish":{"channel":"refused","data":1,"event":"open"}}', 'event-name-invalid'],
    ['{"id":1,"publish":{"channel":"refused","data":1,"event":"fanfare.x"}}', 'event-name-invalid'],
    ['{"id":1,"publish":{"channel":"refused","data":1,"event":""}}', 'event-name-invalid'],
    ['{"id":1,"publish":{"channel":"refused","data":"x","encoding":"hex"}}', 'parameter-invalid'],
    ['{"id":1,"publish":{"channel":"refused","data":"x!","encoding":"base64"}}', 'payload-malformed'],
    ['{"id":1,"publish":{"channel":"refused","data":"x","type":"text/plain; charset=latin1"}}', 'media-type-unsupported'],
    [`{"id":1,"publish":{"channel":"refused","data":1,"key":"${'k'.repeat(256)}"}}`, 'parameter-invalid'],
    [`{"id":1,"publish":{"channel":"small","data":"${'x'.repeat(100)}"}}`, 'payload-too-large'],
    ['{"id":1,"history":{}}', undefined],
    ['{"id":1,"history":{"channel":"a","limit":0}}', 'parameter-invalid'],
    ['{"id":1,"history":{"channel":"a","limit":"x"}}', 'parameter-invalid'],
    ['{"id":1,"history":{"channel":"a","since":"now"}}', 'cursor-invalid'],
    ['{"id":1,"history":{"channel":"$a"}}', 'channel-reserved'],
  ])('%s gets its error, and the connection goes on', async (command, code) => {
    await expectError(await connect(), command, code)
    expect([await countOf(port, 'refused'), await countOf(port, 'small')]).toEqual([0, 0])
  })

  it('because the channel is followed already gets already-subscribed, and again after the end of it not', async () => {
    const socket = await connect()
    expect((await ask(socket, '{"id":1,"subscribe":{"channel":"a"}}')).ok).toMatchObject({ channel: 'a' })
    await expectError(socket, '{"id":1,"subscribe":{"channel":"a"}}', 'already-subscribed')
    expect(await ask(socket, '{"id":1,"unsubscribe":{"channel":"a"}}')).toEqual({ id: 1, ok: {} })
    await expectError(socket, '{"id":1,"unsubscribe":{"channel":"a"}}', 'not-subscribed')
    expect((await ask(socket, '{"id":1,"subscribe":{"channel":"a"}}')).ok).toMatchObject({ channel: 'a' })
  })

  it('because the connection follows too many channels gets channels-per-connection', async () => {
    const socket = await connect()
    for (let index = 0; index < 5; index++)
      expect((await ask(socket, `{"id":1,"subscribe":{"channel":"c${index}"}}`)).error).toBeUndefined()
    await expectError(socket, '{"id":1,"subscribe":{"channel":"c5"}}', 'channels-per-connection')
    await ask(socket, '{"id":1,"unsubscribe":{"channel":"c0"}}')
    expect((await ask(socket, '{"id":1,"subscribe":{"channel":"c5"}}')).error).toBeUndefined()
  })

  it('because its key was used for something else gets idempotency-conflict; a repeat gets the first answer', async () => {
    const socket = await connect()
    const first = await ask(socket, '{"id":1,"publish":{"channel":"keyed","data":1,"key":"k"}}')
    expect(await ask(socket, '{"id":1,"publish":{"channel":"keyed","data":1,"key":"k"}}')).toEqual(first)
    await expectError(socket, '{"id":1,"publish":{"channel":"keyed","data":2,"key":"k"}}', 'idempotency-conflict')
    expect(await countOf(port, 'keyed')).toBe(1)
  })

  it('without an id is answered or passed over, but ends nothing', async () => {
    const socket = await connect()
    for (const command of [
      '{}',
      '{"ping":{}}',
      '{"id":null,"ping":{}}',
      '{"id":{},"ping":{}}',
      '{"id":[1],"nonsense":1}',
      `{"id":"${'x'.repeat(5_000)}","ping":{}}`,
    ]) {
      socket.send(text(command))
      // Whatever is said to it, the next command is answered in its turn.
      socket.send(text('{"id":99,"ping":{}}'))
      let reply = await readReply(socket)
      while (reply.id !== 99) reply = await readReply(socket)
      expect(reply).toEqual({ id: 99, ok: {} })
    }
  })

  it('in an array of commands gets its error, and the others their answers', async () => {
    const socket = await connect()
    socket.send(text('[{"id":1,"ping":{}},{"id":2,"nonsense":{}},{"id":3,"ping":{}}]'))
    const replies = [await readReply(socket), await readReply(socket), await readReply(socket)]
    const byId = new Map(replies.map((reply) => [reply.id, reply]))
    expect([byId.get(1)?.ok, byId.get(2)?.error?.code, byId.get(3)?.ok]).toEqual([{}, 'command-unknown', {}])
  })

  it('says its id as it came', async () => {
    const socket = await connect()
    for (const id of ['1', '"x"', '"\\u00e9 \\" \\\\"', '9007199254740991', '-5', '0']) {
      expect((await ask(socket, `{"id":${id},"ping":{}}`)).id).toEqual(JSON.parse(id))
    }
  })

  it('has fields that nobody knows: they are passed over', async () => {
    const socket = await connect()
    expect(await ask(socket, '{"id":1,"ping":{"x":1}}')).toEqual({ id: 1, ok: {} })
    expect(
      (await ask(socket, '{"id":2,"subscribe":{"channel":"unknown-fields","later":{"deep":[1]},"__proto__":{"since":"now"}},"later":1}'))
        .ok,
    ).toMatchObject({
      channel: 'unknown-fields',
    })
    await expectAlive(socket)
  })
})

describe('a frame that holds no commands', () => {
  it.each([
    [''],
    ['nonsense'],
    ['{'],
    ['{"id":1,"ping":{}'],
    ['{"id":1,"ping":{}}}'],
    ['{"id":1}{"id":2}'],
    ['{id:1}'],
    ['5'],
    ['"x"'],
    ['null'],
    ['true'],
    ['[1]'],
    ['["x"]'],
    ['[null]'],
    ['[[]]'],
    ['[{"id":1,"ping":{}},5]'],
    ['[{"id":1,"ping":{}}'],
    ['[{"id":1,"ping":{}},]'],
    ["{'id':1}"],
    ['{"id":01,"ping":{}}'],
    ['\uFEFFx'],
  ])('%j closes with 4400', async (content) => {
    const socket = await connect()
    socket.send(text(content))
    expect((await socket.closed()).code).toBe(4400)
  })

  it('because it is binary closes with 4400', async () => {
    const socket = await connect()
    socket.send(binary(Buffer.of(1, 2, 3)))
    expect((await socket.readClose()).code).toBe(4400)
  })

  it('because it nests without end closes with 4400 or is refused, within a second', async () => {
    const started = performance.now()
    for (const content of [
      '['.repeat(500_000),
      `${'['.repeat(250_000)}${']'.repeat(250_000)}`,
      `{"id":1,"a":${'{"a":'.repeat(90_000)}1${'}'.repeat(90_000)}}`,
    ]) {
      const socket = await connect()
      socket.send(text(content))
      const next = await socket.readFrame()
      if (next.opcode === opcodes.close) expect(next.payload.readUInt16BE(0)).toBe(4400)
      else expect(next.payload.toString()).toContain('"error"')
      socket.connection.close()
    }
    expect(performance.now() - started).toBeLessThan(1_000)
  })

  it('because it is larger than a frame may be closes with 1009', async () => {
    const socket = await connect()
    socket.send(frame({ opcode: opcodes.text, claimed: 1n << 32n }))
    expect((await socket.readClose()).code).toBe(1009)
    await socket.connection.untilEnd()
  })

  it('ends its own connection only', async () => {
    const other = await connect()
    const socket = await connect()
    socket.send(text('nonsense'))
    expect((await socket.readClose()).code).toBe(4400)
    await expectAlive(other)
  })
})

describe('a plain WebSocket', () => {
  it('closes with 4413 for a payload over the channel’s limit and stores nothing', async () => {
    const socket = await openWebSocket(port, '/channels/small')
    socket.send(text('x'.repeat(101)))
    expect((await socket.readClose()).code).toBe(4413)
    expect(await countOf(port, 'small')).toBe(0)
  })

  it('on several channels has no address for what is sent: 4400', async () => {
    for (const query of ['', '&envelope=1']) {
      const socket = await openWebSocket(port, `/subscribe?channel=a&channel=b${query}`)
      socket.send(text('to whom?'))
      expect((await socket.readClose()).code).toBe(4400)
    }
    expect([await countOf(port, 'a'), await countOf(port, 'b')]).toEqual([0, 0])
  })

  it('closes with 4410 and the reason where its place can not be continued', async () => {
    const { cursor } = await publish(port, 'deleted', 'x')
    expect((await send(port, { method: 'DELETE', path: '/channels/deleted' })).status).toBe(204)
    const socket = await openWebSocket(port, `/channels/deleted?since=${cursor}`)
    const { code, reason } = await socket.readClose()
    expect(code).toBe(4410)
    expect(reason).toContain('deleted')
  })

  it('that is live is told the same', async () => {
    await publish(port, 'deleted-live', 'x')
    const socket = await openWebSocket(port, '/channels/deleted-live?since=earliest')
    expect((await socket.readMessage()).payload.toString()).toBe('x')
    expect((await send(port, { method: 'DELETE', path: '/channels/deleted-live' })).status).toBe(204)
    expect((await socket.readClose()).code).toBe(4410)
  })
})
