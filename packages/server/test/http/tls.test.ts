import { makeCertificate, receivers } from '@fanfare/conformance'
import type { Certificate } from '@fanfare/conformance'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { request } from 'node:https'
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import { connect } from 'node:tls'
import type { ConnectionOptions, TLSSocket } from 'node:tls'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createServer } from '../../src/create-server.ts'
import type { FanfareServer } from '../../src/create-server.ts'
import type { Log, ServerOptions } from '../../src/options.ts'
import { closeRaw, openRaw } from '../support/raw-client.ts'

const authority = makeCertificate({ names: ['authority'] })
const certificate = makeCertificate({ issuer: authority })
const open: FanfareServer[] = []
const sockets: TLSSocket[] = []

afterEach(async () => {
  closeRaw()
  for (const socket of sockets.splice(0)) socket.destroy()
  await Promise.all(open.splice(0).map(async (server) => await server.close()))
})

class Lines implements Log {
  readonly lines: string[] = []
  info(_fields: Record<string, unknown>, message: string): void {
    this.lines.push(`info ${message}`)
  }
  warn(_fields: Record<string, unknown>, message: string): void {
    this.lines.push(`warn ${message}`)
  }
  error(_fields: Record<string, unknown>, message: string): void {
    this.lines.push(`error ${message}`)
  }
}

async function start(options: ServerOptions = {}): Promise<{ server: FanfareServer; url: string; port: number; log: Lines }> {
  const log = new Lines()
  const server = await createServer({ engine: 'memory', listen: '127.0.0.1:0', tls: certificate, log, ...options })
  open.push(server)
  const url = await server.listen()
  return { server, url, port: Number(new URL(url).port), log }
}

/** Shakes hands as a client that trusts the authority. */
async function shake(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({ port, host: '127.0.0.1', servername: 'localhost', ca: authority.cert, ...options })
  sockets.push(socket)
  await once(socket, 'secureConnect')
  return socket
}

async function ask(port: number, path: string, more: { method?: string; headers?: OutgoingHttpHeaders; body?: string; ca?: string } = {}) {
  const { ca = authority.cert, body, ...rest } = more
  const sent = request({ host: 'localhost', port, path, ca, agent: false, ...rest })
  const [answer] = (await once(sent.end(body), 'response')) as [IncomingMessage]
  const bytes = Buffer.concat((await answer.toArray()) as Buffer[])
  return { status: answer.statusCode, text: bytes.toString(), headers: answer.headers }
}

describe('over TLS', () => {
  it('says https in its URL, and what its certificate is for', async () => {
    const { url, port, log } = await start()
    expect(url).toBe(`https://127.0.0.1:${port}`)
    expect(log.lines).toContainEqual(expect.stringMatching(/^info the certificate is for localhost, 127\.0\.0\.1, valid from .* until /))
    const posted = await ask(port, '/channels/a', { method: 'POST', body: 'words' })
    expect([posted.status, JSON.parse(posted.text)]).toMatchObject([201, { offset: 1 }])
    expect((await ask(port, '/channels/a?since=earliest')).text).toContain('"data":"words"')
  })

  it('warns of a certificate that is not valid today', async () => {
    const day = 86_400_000
    const tls = makeCertificate({ from: new Date(Date.now() - 3 * day), until: new Date(Date.now() - day) })
    const { log } = await start({ tls })
    expect(log.lines).toContainEqual(expect.stringMatching(/^warn the certificate is not valid today, but from /))
  })

  it('speaks TLS 1.2 and newer, and HTTP/1.1', async () => {
    const { port } = await start()
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const
    await expect(shake(port, old)).rejects.toThrow(/alert|version|protocol/i)
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const socket = await shake(port, { minVersion: version, maxVersion: version, ALPNProtocols: ['h2', 'http/1.1'] })
      expect([socket.getProtocol(), socket.alpnProtocol]).toEqual([version, 'http/1.1'])
    }
    await expect(shake(port, { ALPNProtocols: ['h2'] })).rejects.toThrow(/alert|protocol/i)
  })

  it('lets pages of a loopback origin in, whichever scheme they have', async () => {
    const { port } = await start()
    const asked = async (origin: string) => (await ask(port, '/channels/a', { headers: { origin } })).headers['access-control-allow-origin']
    expect(await asked('https://localhost')).toBe('https://localhost')
    expect(await asked(`https://localhost:${port}`)).toBe(`https://localhost:${port}`)
    expect(await asked('http://127.0.0.1:3000')).toBe('http://127.0.0.1:3000')
    expect(await asked('https://evil.example')).toBeUndefined()
  })

  it('parks a slow reader, and gives it all when it reads on', async () => {
    const { server, port } = await start()
    const socket = await shake(port)
    socket.write(`GET /channels/a?since=earliest&transport=stream HTTP/1.1\r\nHost: localhost:${port}\r\n\r\n`)
    await once(socket, 'readable')
    const padding = 'x'.repeat(60_000)
    for (let n = 1; n <= 200; n++) await server.publish('a', { n, padding })
    await expect.poll(() => server.node.counters.parked).toBe(1)
    const parts: Buffer[] = []
    for (let last = Buffer.alloc(0); !last.includes('"offset":200,');) {
      const part = socket.read() as Buffer | null
      if (part === null) await once(socket, 'readable')
      else {
        parts.push(part)
        // It may be cut in two.
        last = Buffer.concat([last.subarray(-20), part])
      }
    }
    const offsets = [
      ...Buffer.concat(parts)
        .toString('latin1')
        .matchAll(/"offset":(\d+),/g),
    ].map(([, offset]) => Number(offset))
    expect(offsets).toEqual(Array.from({ length: 200 }, (_, index) => index + 1))
  })

  it('closes a reader that takes nothing', async () => {
    const { server, port } = await start({ limits: { socketStalledMs: 1000 } })
    const socket = await shake(port)
    socket.write(`GET /channels/a?transport=stream HTTP/1.1\r\nHost: localhost:${port}\r\n\r\n`)
    await once(socket, 'readable')
    const padding = 'x'.repeat(60_000)
    for (let n = 1; n <= 150; n++) await server.publish('a', { n, padding })
    await expect
      .poll(async () => {
        if (server.node.counters.receivers > 0) await server.publish('a', { padding })
        return server.node.counters.receivers
      })
      .toBe(0)
  })
})

describe('receivers over TLS', () => {
  const trust = process.env['NODE_TLS_REJECT_UNAUTHORIZED']
  // What they trust is the command's test; node takes more authorities only when it starts.
  beforeAll(() => void (process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0'))
  afterAll(() => {
    if (trust === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED']
    else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = trust
  })

  const carriers = receivers.filter(({ carriesCursor }) => carriesCursor)
  const pairs = receivers.map((to, index) => ({ from: carriers[(index + 4) % carriers.length] ?? to, to }))

  it.each(pairs)('go on rightly: $from.name, then $to.name', async ({ from, to }) => {
    const { server, url } = await start({ transports: 'all' })
    for (let n = 1; n <= 10; n++) await server.publish('a', { n })
    const first = from.open(url, { channels: ['a'], since: 'earliest' })
    let cursor: string | undefined
    const numbers: number[] = []
    const take = async (receiving: typeof first, most: number): Promise<void> => {
      while (numbers.length < most) {
        const told = await receiving.next()
        if (told.kind === 'end' || told.kind === 'gap') throw new Error(JSON.stringify(told))
        if (told.kind === 'publication') numbers.push((JSON.parse(new TextDecoder().decode(told.data)) as { n: number }).n)
        cursor = told.cursor ?? cursor
      }
      receiving.cut()
    }
    // A poll brings all at once; the others are cut in the middle.
    await take(first, 5)
    const second = to.open(url, { channels: ['a'], since: cursor })
    const through = numbers.length
    for (let n = 11; n <= 20; n++) await server.publish('a', { n })
    await take(second, 20)
    expect(numbers).toEqual(Array.from({ length: 20 }, (_, index) => index + 1))
    expect(through).toBeLessThan(20)
  })
})

describe('before the handshake is through', () => {
  it('who says nothing is closed within headersMs, before and after it', async () => {
    const { port } = await start({ limits: { headersMs: 500 } })
    const silent = await openRaw(port)
    const shaken = await shake(port)
    const closed = once(shaken.resume(), 'close')
    const begun = performance.now()
    await silent.untilEnd()
    expect(performance.now() - begun).toBeLessThan(2000)
    await closed
    expect(performance.now() - begun).toBeLessThan(4000)
  })

  it('over their limit the oldest is closed, and who shakes hands gets through', async () => {
    const { port } = await start({ limits: { handshakes: 3, headersMs: 60_000 } })
    const silent = [await openRaw(port), await openRaw(port), await openRaw(port), await openRaw(port)]
    await silent[0]?.untilEnd()
    expect((await ask(port, '/healthz')).status).toBe(200)
    await silent[1]?.untilEnd()
    expect(silent.map(({ ended }) => ended)).toEqual([true, true, false, false])
    // Those that are through don't count.
    const through = [await shake(port), await shake(port), await shake(port), await shake(port)]
    expect(through.map(({ destroyed }) => destroyed)).toEqual([false, false, false, false])
  })

  it('plain HTTP is closed, with one hint in the log', async () => {
    const { port, log } = await start()
    for (let times = 0; times < 3; times++) {
      const connection = await openRaw(port)
      connection.send('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
      expect((await connection.untilEnd()).toString()).not.toContain('HTTP')
    }
    expect(log.lines.filter((line) => line.startsWith('warn'))).toEqual([expect.stringContaining('its address begins with https://')])
    expect((await ask(port, '/healthz')).status).toBe(200)
  })

  it('nonsense and half a handshake hold up no clean end', async () => {
    const { server, port } = await start()
    const [nonsense, half] = [await openRaw(port), await openRaw(port)]
    nonsense.send(Buffer.alloc(300, 0x16))
    half.send(Buffer.of(0x16, 0x03, 0x01, 0x02, 0x00, 0x01))
    await nonsense.untilEnd()
    const begun = performance.now()
    await server.close()
    expect(performance.now() - begun).toBeLessThan(1000)
    await half.untilEnd()
  })
})

describe('another certificate', () => {
  const peerNames = async (port: number): Promise<string | undefined> =>
    (await shake(port, { servername: 'renewed.example', checkServerIdentity: () => undefined })).getPeerCertificate().subjectaltname

  it('is for those who connect from now on; who is there stays', async () => {
    const { server, port, log } = await start()
    const before = await shake(port)
    before.write(`GET /channels/a?transport=stream HTTP/1.1\r\nHost: localhost:${port}\r\n\r\n`)
    await once(before, 'data')
    server.renewCertificate(makeCertificate({ issuer: authority, names: ['renewed.example'] }))
    expect(await peerNames(port)).toBe('DNS:renewed.example')
    expect(log.lines.at(-1)).toMatch(/^info the certificate was renewed: it is for renewed\.example/)
    await server.publish('a', 'still here')
    expect(String((await once(before, 'data'))[0])).toContain('still here')
    const socket = await shake(port, { checkServerIdentity: () => undefined, maxVersion: 'TLSv1.1' }).catch((error: unknown) => error)
    expect(socket).toBeInstanceOf(Error)
  })

  it('that is wrong changes nothing', async () => {
    const { server, port } = await start()
    const other = makeCertificate({ names: ['renewed.example'] })
    expect(() => server.renewCertificate({ cert: other.cert, key: certificate.key })).toThrow(/^tls\.key: the private key does not belong/)
    expect(await peerNames(port)).toBe('DNS:localhost, IP Address:127.0.0.1')
    const plain = await createServer({ engine: 'memory' })
    open.push(plain)
    expect(() => plain.renewCertificate(other)).toThrow(/without tls/)
  })
})

describe('a certificate that can not be served', () => {
  const other = makeCertificate()
  const encrypted = generateKeyPairSync('ec', {
    namedCurve: 'prime256v1',
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' },
  }).privateKey
  const { cert, key } = certificate
  const wrong: [string, Certificate, RegExp][] = [
    ['of another key', { cert, key: other.key }, /^tls\.key: the private key does not belong to this certificate$/],
    ['whose key is encrypted', { cert, key: encrypted }, /^tls\.key: the private key is encrypted; openssl pkey /],
    ['that is no PEM', { cert: 'words', key }, /^tls\.cert: there is no certificate in PEM/],
    ['without a key', { cert, key: '' }, /^tls\.key: there is no private key in PEM/],
    ['changed for its key', { cert: key, key: cert }, /^tls\.cert: this is a private key, not a certificate$/],
    ['twice', { cert, key: cert }, /^tls\.key: this is a certificate, not a private key$/],
    ['that is cut', { cert: cert.slice(0, 300) + cert.slice(400), key }, /^tls\.cert: the certificate can not be read: /],
    ['whose key is cut', { cert, key: key.slice(0, 80) + key.slice(100) }, /^tls\.key: the private key can not be read: /],
    ['behind that of its authority', { cert: authority.cert + cert, key }, /^tls\.cert: the chain is the wrong way round/],
  ]
  it.each(wrong)('%s is refused by name', async (_name, tls, message) => {
    await expect(createServer({ engine: 'memory', tls })).rejects.toThrow(message)
  })

  it('is told from a chain that is right', async () => {
    const { port } = await start({ tls: { cert: Buffer.from(cert + authority.cert), key: Buffer.from(key) } })
    expect((await ask(port, '/healthz')).status).toBe(200)
  })
})
