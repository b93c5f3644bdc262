import { createPrivateKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { isIP } from 'node:net'

/** A certificate and its key, in PEM. */
export interface Certificate {
  readonly cert: string
  readonly key: string
}

export interface CertificateWish {
  /** Host names and addresses. Default localhost and 127.0.0.1. */
  readonly names?: readonly string[]
  /** Who signs; without one it signs itself, and may sign others. */
  readonly issuer?: Certificate
  readonly from?: Date
  readonly until?: Date
}

const authorityName = 'Fanfare test authority'
const dayMs = 86_400_000

/** Makes an X.509 certificate (RFC 5280) for tests: node reads them and makes none, and no tool has to be there. */
export function makeCertificate(wish: CertificateWish = {}): Certificate {
  const {
    names = ['localhost', '127.0.0.1'],
    issuer,
    from = new Date(Date.now() - dayMs),
    until = new Date(Date.now() + 30 * dayMs),
  } = wish
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const body = sequence(
    tagged(0xa0, integer(Buffer.of(2))),
    integer(Buffer.concat([Buffer.of(1), randomBytes(8)])),
    ecdsaWithSha256,
    nameOf(authorityName),
    sequence(time(from), time(until)),
    nameOf(issuer === undefined ? authorityName : (names[0] ?? '')),
    publicKey.export({ type: 'spki', format: 'der' }),
    tagged(0xa3, sequence(basicConstraints(issuer === undefined), alternativeNames(names))),
  )
  const signature = sign('sha256', body, issuer === undefined ? privateKey : createPrivateKey(issuer.key))
  const whole = sequence(body, ecdsaWithSha256, tagged(0x03, Buffer.of(0), signature))
  const lines = whole.toString('base64').match(/.{1,64}/g) ?? []
  return { cert: `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`, key }
}

/** DER (X.690): a tag, a length, what is in it. */
function tagged(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const inside = Buffer.concat(parts)
  const { length } = inside
  const long = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.of(tag, ...long), inside])
}

function sequence(...parts: readonly Uint8Array[]): Buffer {
  return tagged(0x30, ...parts)
}

function integer(bytes: Uint8Array): Buffer {
  return tagged(0x02, bytes)
}

function identifier(hex: string): Buffer {
  return tagged(0x06, Buffer.from(hex, 'hex'))
}

/** 1.2.840.10045.4.3.2 */
const ecdsaWithSha256 = sequence(identifier('2a8648ce3d040302'))

/** A common name (2.5.4.3). */
function nameOf(text: string): Buffer {
  return sequence(tagged(0x31, sequence(identifier('550403'), tagged(0x0c, Buffer.from(text)))))
}

/** Through the year 2049. */
function time(date: Date): Buffer {
  return tagged(
    0x17,
    Buffer.from(
      `${date
        .toISOString()
        .slice(2)
        .replaceAll(/[-:T]|\..*$/g, '')}Z`,
    ),
  )
}

/** 2.5.29.19 */
function basicConstraints(authority: boolean): Buffer {
  const inside = sequence(...(authority ? [tagged(0x01, Buffer.of(0xff))] : []))
  return sequence(identifier('551d13'), tagged(0x01, Buffer.of(0xff)), tagged(0x04, inside))
}

/** 2.5.29.17 */
function alternativeNames(names: readonly string[]): Buffer {
  const inside = names.map((name) =>
    isIP(name) === 4 ? tagged(0x87, Buffer.from(name.split('.').map(Number))) : tagged(0x82, Buffer.from(name)),
  )
  return sequence(identifier('551d11'), tagged(0x04, sequence(...inside)))
}
