import { readdirSync } from 'node:fs'
import { encodeUtf8 } from '../src/index.ts'
import { readVectors } from './vectors.ts'

/** Every string and every object of every vector is a seed. */
function seedsOf(value: unknown): Uint8Array[] {
  if (typeof value === 'string')
    return [encodeUtf8(value), ...(/^(?:[0-9a-f]{2})+$/.test(value) ? [new Uint8Array(Buffer.from(value, 'hex'))] : [])]
  if (typeof value !== 'object' || value === null) return []
  return [encodeUtf8(JSON.stringify(value)), ...Object.values(value).flatMap(seedsOf)]
}

const names = readdirSync(new URL('../vectors/', import.meta.url)).map((file) => file.replace('.json', ''))
/** Inputs that are right, or nearly. */
export const seeds: readonly Uint8Array[] = names.flatMap((name) => seedsOf(readVectors(name))).filter((bytes) => bytes.length <= 700)
