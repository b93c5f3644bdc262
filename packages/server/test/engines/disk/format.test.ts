import { crc32 } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { crcOf, newBlock } from '../../../src/engines/disk/crc.ts'
import {
  payloadLength,
  readFrame,
  recordBytes,
  recordChannel,
  recordIsWhole,
  recordKind,
  recordOffset,
  recordSeq,
  recordTime,
  sealFrame,
} from '../../../src/engines/disk/format.ts'
import { FrameWriter } from '../../../src/engines/disk/frame-writer.ts'
import { readDeletion, readName, readOnce, readPublication, readState } from '../../../src/engines/disk/record-reader.ts'
import { chanceOf } from './simulated-disk.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** Numbers that need more than 32 bits, all different. */
const large = { offset: 0x0102_0304_0506, seq: 0x1112_1314_1516, time: 0x0192_0394_0596, bytes: 0x2122_2324_2526 }

/** The record of the decision record's table, put together by hand. */
function recordByHand(): Buffer {
  const extras = Buffer.concat([Buffer.from([3, 0]), Buffer.from('a/b'), Buffer.from([2, 0]), Buffer.from('é')])
  const payload = Buffer.from('{"a":1}')
  const record = Buffer.alloc(40 + extras.length + payload.length)
  record.writeUInt32LE(record.length, 0)
  record.writeUInt32LE(77, 8)
  record.writeUInt8(1, 12)
  record.writeUInt8(4 | 8, 13)
  record.writeUInt16LE(extras.length, 14)
  for (const [at, highAt, value] of [
    [16, 32, large.offset],
    [20, 34, large.seq],
    [24, 36, large.time],
    [28, 38, large.bytes],
  ] as const) {
    record.writeUInt32LE(value % 0x1_0000_0000, at)
    record.writeUInt16LE(Math.floor(value / 0x1_0000_0000), highAt)
  }
  extras.copy(record, 40)
  payload.copy(record, 40 + extras.length)
  record.writeUInt32LE(crc32(record.subarray(8)), 4)
  return record
}

describe('the format', () => {
  it('writes a publication as the decision record says', () => {
    const writer = new FrameWriter(newBlock(512))
    const message = { data: Buffer.from('{"a":1}'), format: 'json' as const, type: 'a/b', event: 'é' }
    const at = writer.publication(77, large.offset, large.seq, large.time, large.bytes, message)
    const expected = recordByHand()
    expect(at).toBe(48)
    expect(hex(writer.block.bytes.subarray(48, 48 + expected.length))).toBe(hex(expected))
    expect(writer.at).toBe(48 + Math.ceil(expected.length / 4) * 4)
    expect(recordIsWhole(writer.block, at, writer.at)).toBe(true)
    expect([
      recordChannel(writer.block, at),
      recordKind(writer.block, at),
      recordOffset(writer.block, at),
      recordSeq(writer.block, at),
      recordTime(writer.block, at),
      recordBytes(writer.block, at),
      payloadLength(writer.block, at),
    ]).toEqual([77, 1, large.offset, large.seq, large.time, large.bytes, 7])
    expect(readPublication(writer.block, at, 'c')).toMatchObject({
      channel: 'c',
      offset: large.offset,
      seq: large.seq,
      time: large.time,
      format: 'json',
      type: 'a/b',
      event: 'é',
    })
  })

  it('writes a frame as the decision record says', () => {
    const writer = new FrameWriter(newBlock(512))
    writer.name(1, 'news', 9, 5, 0)
    sealFrame(writer.block, 0, {
      nonce: 0xdead_beef,
      length: writer.at,
      generation: 3,
      start: 4,
      records: 1,
      firstSeq: large.seq,
      synced: { generation: 2, place: 8192 },
      time: large.time,
    })
    const frame = Buffer.alloc(writer.at)
    Buffer.from(writer.block.bytes.subarray(0, writer.at)).copy(frame)
    for (const [at, value] of [
      [0, 0xdead_beef],
      [4, writer.at],
      [12, 3],
      [16, 4],
      [20, 1],
      [32, 2],
      [36, 8192],
    ] as const)
      frame.writeUInt32LE(value, at)
    frame.writeBigUInt64LE(BigInt(large.seq), 24)
    frame.writeBigUInt64LE(BigInt(large.time), 40)
    frame.writeUInt32LE(crc32(frame.subarray(12)), 8)
    expect(hex(writer.block.bytes.subarray(0, writer.at))).toBe(hex(frame))
    expect(readFrame(writer.block, 0, writer.at, { nonce: 0xdead_beef, generation: 3 })).toMatchObject({
      firstSeq: large.seq,
      time: large.time,
      synced: { generation: 2, place: 8192 },
    })
  })

  it('reads back what it wrote, of every kind', () => {
    const writer = new FrameWriter(newBlock(2048))
    const placed = [{ channel: 1, start: 2, offset: large.offset, seq: large.seq, time: large.time }]
    const deletion = writer.deletion(1, 5, 6, 7, 8, { offset: 3, seq: 4 })
    const name = writer.name(2, 'ünï/cödé', 9, 5, 3)
    const once = writer.once('key', 'print ü', large.time, 6, placed)
    const state = writer.state('s', new Uint8Array([1, 2, 3]), 0, 6)
    const removed = writer.state('s', null, 0, 6)
    const forgotten = writer.forgotten(2, 99)
    const { block } = writer
    for (const at of [deletion, name, once, state, removed, forgotten]) expect(recordIsWhole(block, at, writer.at)).toBe(true)
    expect(readDeletion(block, deletion)).toEqual({ offset: 3, seq: 4 })
    expect(readName(block, name)).toBe('ünï/cödé')
    expect(readOnce(block, once)).toEqual({ key: 'key', print: 'print ü', expires: large.time, placed })
    expect(readState(block, state)).toEqual({ key: 's', value: new Uint8Array([1, 2, 3]), expires: 0 })
    expect(readState(block, removed).value).toBeNull()
    expect(recordSeq(block, forgotten)).toBe(99)
  })

  it('has one CRC, whichever way it is reckoned', () => {
    const chance = chanceOf(4)
    const block = newBlock(4096)
    for (let n = 0; n < block.bytes.length; n++) block.bytes[n] = chance(256)
    for (let n = 0; n < 500; n++) {
      const from = chance(200) * 4
      const to = from + chance(3000)
      expect(crcOf(block, from, to)).toBe(crc32(block.bytes.subarray(from, to)))
    }
  })
})
