import { assertChannel, orThrow } from '@fanfare/wire'
import type { Target } from './target.ts'
import { decodeName } from './target.ts'

export const channelPrefix = '/channels/'

/** The channel of an address: the rest of its path, percent-decoded once. */
export function channelOf(target: Target): string {
  const channel = orThrow(decodeName(target.path.slice(channelPrefix.length)))
  assertChannel(channel)
  return channel
}
