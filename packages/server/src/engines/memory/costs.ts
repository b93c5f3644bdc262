import type { AppendRequest, Item } from '../engine.ts'

/** What an entry, a channel, a key cost beside their own bytes; rounded up. */
export const entryBytes = 256
export const channelBytes = 200
export const keyBytes = 300

export function itemCost(item: Item): number {
  return item.kind === 'delete' ? entryBytes : item.message.data.length + entryBytes
}

export function stateCost(key: string, value: Uint8Array | null): number {
  return keyBytes + key.length + (value?.length ?? 0)
}

/** Of a request that waits for its commit. */
export function requestCost({ items, state = [] }: AppendRequest): number {
  let bytes = 0
  for (const item of items) bytes += itemCost(item)
  for (const { key, value } of state) bytes += stateCost(key, value)
  return bytes
}
