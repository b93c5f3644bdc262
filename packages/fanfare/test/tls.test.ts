import { makeCertificate } from '@fanfare/conformance'
import { generateKeyPairSync } from 'node:crypto'
import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { once } from 'node:events'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { receivingTransports } from '../src/options.ts'
import { command } from './support/command.ts'
import type { Command } from './support/command.ts'
import { TestIo, temporaryDirectory } from './support/io.ts'

const authority = makeCertificate({ names: ['authority'] })
const good = makeCertificate({ issuer: authority })

let directory: ReturnType<typeof temporaryDirectory>
let started: Command[] = []

beforeEach(() => {
  directory = temporaryDirectory()
  write('authority.pem', authority.cert)
  write('cert.pem', good.cert)
  write('key.pem', good.key)
})
afterEach(async () => {
  for (const { child, ended } of started) {
    child.kill('SIGKILL')
    await ended
  }
  started = []
  directory.remove()
})

function write(name: string, text: string): void {
  writeFileSync(join(directory.path, name), text)
}

/** A command that trusts the authority, unless it shall not. */
function start(args: readonly string[], more: { input?: string; trusts?: boolean } = {}): Command {
  const env = more.trusts === false ? {} : { NODE_EXTRA_CA_CERTS: join(directory.path, 'authority.pem') }
  const made = command(args, { directory: directory.path, input: more.input, env })
  started.push(made)
  return made
}

async function serve(...flags: string[]): Promise<Command & { url: string }> {
  const made = start(['serve', '--tls-cert', 'cert.pem', '--tls-key', 'key.pem', ...flags])
  await made.until((stdout) => /listens on https:\S+/.test(stdout))
  return { ...made, url: /listens on (https:\/\/[0-9.:]+)/.exec(made.stdout())?.[1] ?? '' }
}

const numbers = (from: number, to: number): string => Array.from({ length: to - from + 1 }, (_, index) => `${from + index}\n`).join('')

describe('the command over TLS', () => {
  it('publishes and receives over all transports, and goes on after the server was killed', { timeout: 60_000 }, async () => {
    const server = await serve('--listen', '127.0.0.1:0')
    const { url } = server
    const receivers = receivingTransports.map((transport) =>
      start(['subscribe', 'numbers', '--since', 'earliest', '--transport', transport, '--url', url]),
    )
    const first = start(['publish', 'numbers', '--url', url], { input: numbers(1, 50) })
    expect([await first.ended, first.stderr()]).toEqual([0, ''])
    for (const receiver of receivers) await receiver.until((stdout) => stdout.endsWith('\n50\n'))
    server.child.kill('SIGKILL')
    await server.ended
    const second = start(['publish', 'numbers', '--url', url], { input: numbers(51, 100) })
    await serve('--listen', new URL(url).host)
    expect(await second.ended).toBe(0)
    for (const receiver of receivers) {
      await receiver.until((stdout) => stdout.endsWith('\n100\n'))
      expect(receiver.stdout()).toBe(numbers(1, 100))
    }
  })

  it.each(['sse', 'websocket', 'long-poll'])('says at once that a certificate is not trusted: subscribe over %s', async (transport) => {
    const { url } = await serve('--listen', '127.0.0.1:0', '--engine', 'memory')
    const receiver = start(['subscribe', 'news', '--transport', transport, '--url', url], { trusts: false })
    expect(await receiver.ended).toBe(1)
    expect(receiver.stderr()).toMatch(
      /^fanfare: the certificate of https:\/\/127\.0\.0\.1:\d+ is not trusted: its authority is not known here/,
    )
  })

  it('says what is wrong with the other end: publish', { timeout: 30_000 }, async () => {
    const { url } = await serve('--listen', '127.0.0.1:0', '--engine', 'memory')
    const said = async (address: string, trusts: boolean): Promise<string> => {
      const publish = start(['publish', 'news', 'x', '--retry-for', '1s', '--url', address], { trusts })
      expect(await publish.ended).toBe(1)
      return publish.stderr()
    }
    expect(await said(url, false)).toMatch(/is not trusted: its authority is not known here \(NODE_EXTRA_CA_CERTS=FILE names one\)/)
    expect(await said(url.replace('127.0.0.1', '[::ffff:127.0.0.1]'), true)).toMatch(/is not trusted: it is for other names/)
    expect(await said(url.replace('https', 'http'), true)).toMatch(/closed the connection/)
    const plain = start(['serve', '--listen', '127.0.0.1:0', '--engine', 'memory'])
    await plain.until((stdout) => /listens on http:\S+/.test(stdout))
    const plainUrl = /listens on (http:\/\/[0-9.:]+)/.exec(plain.stdout())?.[1] ?? ''
    expect(await said(plainUrl.replace('http', 'https'), true)).toMatch(/speaks no TLS/)
  })

  it('takes a renewed certificate at SIGHUP, and keeps the old one where the new is wrong', { timeout: 30_000 }, async () => {
    const server = await serve('--listen', '127.0.0.1:0', '--engine', 'memory')
    const port = Number(new URL(server.url).port)
    const names = async (): Promise<string | undefined> => {
      const socket = connect({ port, host: '127.0.0.1', ca: authority.cert, checkServerIdentity: () => undefined })
      await once(socket, 'secureConnect')
      const { subjectaltname } = socket.getPeerCertificate()
      socket.destroy()
      return subjectaltname
    }
    const renewed = makeCertificate({ issuer: authority, names: ['renewed.example'] })
    write('key.pem', renewed.key)
    server.child.kill('SIGHUP')
    await expect.poll(() => server.stderr()).toMatch(/not renewed, the old one stays: --tls-key: key\.pem: the private key does not belong/)
    expect(await names()).toBe('DNS:localhost, IP Address:127.0.0.1')
    write('next.pem', renewed.cert)
    renameSync(join(directory.path, 'next.pem'), join(directory.path, 'cert.pem'))
    server.child.kill('SIGHUP')
    await server.until((stdout) => stdout.includes('the certificate was renewed: it is for renewed.example, valid from'))
    expect(await names()).toBe('DNS:renewed.example')
    server.child.kill('SIGTERM')
    expect(await server.ended).toBe(0)
  })
})

describe('the options of TLS', () => {
  const said = async (args: readonly string[], env: Record<string, string> = {}): Promise<string[]> => {
    const io = new TestIo({ directory: directory.path, env })
    expect(await io.run(...args)).toBe(1)
    return io.stderr.lines.map((line) => line.replace('fanfare: ', ''))
  }
  const serveWith = (cert: string, key: string) =>
    said(['serve', '--listen', '127.0.0.1:0', '--engine', 'memory', '--tls-cert', cert, '--tls-key', key])

  it('stand in the file, in the environment, and as flags', async () => {
    write('fanfare.yaml', 'tls: { cert: cert.pem, key: key.pem }\n')
    const io = new TestIo({ directory: directory.path })
    expect(await io.run('check')).toBe(0)
    expect(io.stdout.text).toContain('fanfare.yaml is in order')
    expect(await said(['check'], { FANFARE_TLS_KEY: 'none.pem' })).toEqual([
      `FANFARE_TLS_KEY: there is no file ${join(directory.path, 'none.pem')}`,
    ])
    write('fanfare.yaml', 'tls:\n  cert: key.pem\n  key: key.pem\n')
    expect(await said(['check'])).toEqual(['fanfare.yaml:2:9: tls.cert: key.pem: this is a private key, not a certificate'])
    write('fanfare.yaml', 'tls:\n  cert: cert.pem\n')
    expect(await said(['check'])).toEqual(['fanfare.yaml:2:9: tls.cert: TLS needs a certificate and its key: say tls-key too'])
    write('fanfare.yaml', 'tls: { certificate: cert.pem }\n')
    expect(await said(['check'])).toEqual([expect.stringContaining('there is no key "certificate" here')])
    write('fanfare.yaml', 'tls: cert.pem\n')
    expect(await said(['check'])).toEqual(['fanfare.yaml:1:6: tls: a group of keys was expected here'])
  })

  it('that can not be used end the start with 1, and say why', async () => {
    expect(await serveWith('none.pem', 'key.pem')).toEqual([`--tls-cert: there is no file ${join(directory.path, 'none.pem')}`])
    expect(await serveWith('.', '.')).toEqual([
      expect.stringMatching(/^--tls-cert: .* can not be read: EISDIR/),
      expect.stringMatching(/^--tls-key: .* can not be read: EISDIR/),
    ])
    write('other.pem', makeCertificate().key)
    expect(await serveWith('cert.pem', 'other.pem')).toEqual(['--tls-key: other.pem: the private key does not belong to this certificate'])
    const { privateKey } = generateKeyPairSync('ec', {
      namedCurve: 'prime256v1',
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' },
    })
    write('secret.pem', privateKey)
    expect(await serveWith('cert.pem', 'secret.pem')).toEqual([
      expect.stringMatching(/^--tls-key: secret\.pem: the private key is encrypted/),
    ])
    expect(await said(['serve', '--tls-key', 'key.pem'])).toEqual(['--tls-key: TLS needs a certificate and its key: say tls-cert too'])
  })
})
