/** Inputs that are nearly right: a vector with a few bytes flipped, dropped, doubled, or taken from another. The same seed gives the same inputs. */
export function mutator(seeds: readonly Uint8Array[], random: () => number): () => Uint8Array {
  const below = (count: number) => Math.floor(random() * count)
  const pick = () => seeds[below(seeds.length)] ?? new Uint8Array()
  return () => {
    let bytes = pick()
    for (let turn = below(4); turn >= 0; turn--) bytes = mutated(bytes, pick(), below)
    return bytes
  }
}

/** What parsers are sensitive to. */
const tokens = [
  '"',
  '\\',
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  ';',
  '=',
  '\r',
  '\n',
  '\0',
  '%',
  '/',
  '*',
  '\ud7ff',
  '\ufeff',
  'é',
  '-',
  '9',
  'e',
  ' ',
  '\\u',
  'data:',
  'id',
]
const tokenBytes = tokens.map((token) => new TextEncoder().encode(token))

function mutated(bytes: Uint8Array, other: Uint8Array, below: (count: number) => number): Uint8Array {
  const at = below(bytes.length + 1)
  const to = Math.min(bytes.length, at + below(8))
  const token = tokenBytes[below(tokenBytes.length)] ?? bytes
  switch (below(8)) {
    case 0:
      return joined(bytes.subarray(0, at), Uint8Array.of(below(256)), bytes.subarray(at + 1))
    case 1:
      return joined(bytes.subarray(0, at), token, bytes.subarray(at))
    case 2:
      return joined(bytes.subarray(0, at), bytes.subarray(to))
    case 3:
      return joined(bytes.subarray(0, at), bytes.subarray(at, to), bytes.subarray(at))
    case 4:
      return bytes.subarray(0, at)
    case 5:
      return joined(bytes.subarray(0, at), other.subarray(below(other.length + 1)))
    case 6:
      return joined(bytes.subarray(0, at), token, bytes.subarray(to))
    default:
      // Now and then long runs of one thing, which is what makes bad parsers slow.
      return below(100) === 0 ? joined(bytes.subarray(0, at), ...Array<Uint8Array>(below(3000)).fill(token), bytes.subarray(at)) : bytes
  }
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000
  }
}
