import { crc32 as bulkCrc } from 'node:zlib'

/** Memory seen as bytes and as aligned words; records begin at multiples of 4, so a header is set word by word. Little-endian, as every machine Node runs on. */
export interface Block {
  readonly bytes: Uint8Array
  readonly words: Uint32Array
}

export function blockOf(buffer: ArrayBufferLike): Block {
  return { bytes: new Uint8Array(buffer), words: new Uint32Array(buffer, 0, buffer.byteLength >> 2) }
}

/** A zeroed block; the size is rounded up to whole words. */
export function newBlock(size: number): Block {
  return blockOf(new ArrayBuffer((size + 3) & ~3))
}

// Below this size the table in JavaScript beats the call into zlib (60 against 172 ns at 140 bytes, about even at 700).
const bulkFrom = 700
const tables = makeTables()

/** CRC-32 (ISO 3309) of bytes from..to; `from` is a multiple of 4. */
export function crcOf(block: Block, from: number, to: number): number {
  if (to - from >= bulkFrom) return bulkCrc(block.bytes.subarray(from, to))
  const { bytes, words } = block
  const [t0, t1, t2, t3, t4, t5, t6, t7] = tables
  let crc = -1
  let at = from
  for (const end = to - 7; at < end; at += 8) {
    const low = words[at >> 2]! ^ crc
    const high = words[(at >> 2) + 1]!
    crc =
      t7[low & 0xff]! ^
      t6[(low >>> 8) & 0xff]! ^
      t5[(low >>> 16) & 0xff]! ^
      t4[low >>> 24]! ^
      t3[high & 0xff]! ^
      t2[(high >>> 8) & 0xff]! ^
      t1[(high >>> 16) & 0xff]! ^
      t0[high >>> 24]!
  }
  for (; at < to; at++) crc = t0[(crc ^ bytes[at]!) & 0xff]! ^ (crc >>> 8)
  return ~crc >>> 0
}

type Tables = readonly [Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array]

function makeTables(): Tables {
  const first = new Int32Array(256)
  for (let n = 0; n < 256; n++) {
    let crc = n
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
    first[n] = crc
  }
  const all = [first]
  for (let k = 1; k < 8; k++) all.push(all[k - 1]!.map((crc) => first[crc & 0xff]! ^ (crc >>> 8)))
  return all as unknown as Tables
}
