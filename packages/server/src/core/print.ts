import { utf8Length } from '@fanfare/wire'
import type { Message } from '@fanfare/wire'

interface Printed {
  readonly channel: string
  readonly message: Message
  readonly key?: string | undefined
}

/** Tells whether two bodies are the same: channel, data, type, event and id. 128 bits; whoever makes two collide deceives only themself. */
export function printOf(items: readonly Printed[]): string {
  const lanes = new Uint32Array([0x9e3779b1, 0x85ebca77, 0xc2b2ae3d, 0x27d4eb2f])
  for (const { channel, message, key } of items) {
    mixText(lanes, channel)
    mixBytes(lanes, message.data)
    mixText(lanes, message.format)
    mixText(lanes, message.type)
    mixText(lanes, message.event)
    mixText(lanes, message.id)
    mixText(lanes, key)
  }
  return Array.from(lanes, (lane) => lane.toString(36)).join('.')
}

function mixText(lanes: Uint32Array, text: string | undefined): void {
  mix(lanes, text === undefined ? -1 : utf8Length(text))
  if (text === undefined) return
  for (let i = 0; i < text.length; i++) mix(lanes, text.charCodeAt(i))
}

function mixBytes(lanes: Uint32Array, bytes: Uint8Array): void {
  mix(lanes, bytes.length)
  for (const byte of bytes) mix(lanes, byte)
}

function mix(lanes: Uint32Array, value: number): void {
  let carry = value
  for (let i = 0; i < 4; i++) {
    const lane = Math.imul((lanes[i] ?? 0) ^ carry, 0x01000193 + 2 * i)
    carry = lane ^ (lane >>> 15)
    lanes[i] = carry
  }
}
