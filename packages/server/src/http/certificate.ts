import { createPrivateKey, X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import type { SecureContextOptions } from 'node:tls'
import type { TlsOptions } from '../options.ts'

/** What is wrong with a certificate or its key, and with which of the two. */
export interface CertificateProblem {
  readonly part: 'cert' | 'key'
  readonly text: string
}

/** What a certificate says of itself. */
export interface CertificateFacts {
  readonly names: readonly string[]
  readonly from: Date
  readonly until: Date
}

/** What node is told of a certificate. TLS 1.1 and older are broken (RFC 8996). */
export function secureContextOf({ cert, key }: TlsOptions): SecureContextOptions {
  return { cert: Buffer.from(cert), key: Buffer.from(key), minVersion: 'TLSv1.2' }
}

/** Why the two can't be served with; undefined where they can. */
export function certificateProblem(tls: TlsOptions): CertificateProblem | undefined {
  const [cert, key] = [textOf(tls.cert), textOf(tls.key)]
  const certText = certProblem(cert)
  if (certText !== undefined) return { part: 'cert', text: certText }
  const keyText = keyProblem(key)
  if (keyText !== undefined) return { part: 'key', text: keyText }
  const [own, ...rest] = chainOf(cert)
  const privateKey = createPrivateKey(key)
  if (own?.checkPrivateKey(privateKey) !== true) {
    if (rest.some((other) => other.checkPrivateKey(privateKey)))
      return { part: 'cert', text: "the chain is the wrong way round: the server's own certificate comes first" }
    return { part: 'key', text: 'the private key does not belong to this certificate' }
  }
  const text = trouble(() => createSecureContext(secureContextOf(tls)))
  return text === undefined ? undefined : { part: 'cert', text: `it can not be used: ${text}` }
}

/** Of a certificate in which `certificateProblem` found none. */
export function certificateFacts({ cert }: TlsOptions): CertificateFacts {
  const own = new X509Certificate(textOf(cert))
  const names = [...(own.subjectAltName ?? '').matchAll(/(?:DNS|IP Address):([^,\s"]+)/g)].map(([, name]) => name ?? '')
  return { names, from: new Date(own.validFrom), until: new Date(own.validTo) }
}

function certProblem(cert: string): string | undefined {
  if (!certificates.test(cert)) {
    return privateKey.test(cert)
      ? 'this is a private key, not a certificate'
      : 'there is no certificate in PEM (-----BEGIN CERTIFICATE-----)'
  }
  const text = trouble(() => chainOf(cert))
  return text === undefined ? undefined : `the certificate can not be read: ${text}`
}

function keyProblem(key: string): string | undefined {
  if (!privateKey.test(key)) {
    return certificates.test(key)
      ? 'this is a certificate, not a private key'
      : 'there is no private key in PEM (-----BEGIN PRIVATE KEY-----)'
  }
  // A server starts without anybody who could type it.
  if (/ENCRYPTED/.test(key)) return 'the private key is encrypted; openssl pkey -in KEY -out PLAIN.pem takes its passphrase away'
  const text = trouble(() => createPrivateKey(key))
  return text === undefined ? undefined : `the private key can not be read: ${text}`
}

const certificates = /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----/
const privateKey = /-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----/

function chainOf(cert: string): readonly X509Certificate[] {
  const blocks = cert.match(/-----BEGIN [A-Z0-9 ]*CERTIFICATE-----[^-]*-----END [A-Z0-9 ]*CERTIFICATE-----/g) ?? [cert]
  return blocks.map((block) => new X509Certificate(block))
}

function textOf(pem: string | Uint8Array): string {
  return typeof pem === 'string' ? pem : Buffer.from(pem).toString('latin1')
}

function trouble(attempt: () => unknown): string | undefined {
  try {
    attempt()
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
