import { readFileSync } from 'node:fs'
import { encodeUtf8 } from '../src/index.ts'

/** Bytes in the vectors: text in UTF-8, or hex. */
export type Bytes = { readonly text: string } | { readonly hex: string }

/** The groups of `vectors/<name>.json`; the test says their shape. */
export function readVectors(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`../vectors/${name}.json`, import.meta.url), 'utf8'))
}

export function bytesOf(bytes: Bytes): Uint8Array {
  return 'text' in bytes ? encodeUtf8(bytes.text) : new Uint8Array(Buffer.from(bytes.hex, 'hex'))
}

export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

export function textOf(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
}

/** Milliseconds of the shortest of three runs: a pause of the machine is not the code's. */
export function shortestMs(run: () => unknown): number {
  const times = [0, 1, 2].map(() => {
    const before = performance.now()
    run()
    return performance.now() - before
  })
  return Math.min(...times)
}
