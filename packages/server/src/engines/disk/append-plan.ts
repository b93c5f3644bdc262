import { FanfareError, type Limits } from '@fanfare/wire'
import type { AppendRequest, Placed } from '../engine.ts'
import type { ChannelTable } from './channel-table.ts'
import { deletionBound, nameBound, onceBound, publicationBound, stateBound } from './frame-writer.ts'
import type { KeyedState } from './keyed-state.ts'

/** Channels to forget; only the store itself asks for it. */
export interface StoreRequest extends AppendRequest {
  /** Called when its turn has come. */
  readonly forget?: () => readonly { readonly id: number; readonly through: number }[]
}

/** What is to be done with a request, decided before anything of it is written. */
export type Plan =
  | { readonly kind: 'conflict'; readonly index: number }
  /** All of it was answered before, by the commit of this frame or an earlier one. */
  | { readonly kind: 'repeat'; readonly placed: readonly Placed[]; readonly frame: number }
  /** `repeated`: the earlier answer of an item, or undefined for one that is new. `keys`: how many are new. */
  | { readonly kind: 'write'; readonly repeated: readonly (Placed | undefined)[]; readonly keys: number }

/** Looks the request's keys up. `lastFrame` is the newest one that was begun. */
export function planAppend(request: StoreRequest, state: KeyedState, now: number, lastFrame: number): Plan {
  const whole = request.once === undefined ? undefined : state.findOnce(request.once.key, now)
  if (whole !== undefined) {
    if (whole.print !== request.once?.print) return { kind: 'conflict', index: -1 }
    return { kind: 'repeat', placed: whole.placed.map(asRepeat), frame: whole.frame }
  }
  const repeated: (Placed | undefined)[] = []
  const own = new Map<string, string>()
  let fresh = 0
  for (const [index, item] of request.items.entries()) {
    const once = item.kind === 'publication' ? item.once : undefined
    const known = once === undefined ? undefined : state.findOnce(once.key, now)
    const print = known?.print ?? (once === undefined ? undefined : own.get(once.key))
    if (once !== undefined && print !== undefined && print !== once.print) return { kind: 'conflict', index }
    if (once !== undefined && known === undefined) own.set(once.key, once.print)
    if (known === undefined) fresh++
    repeated.push(known === undefined ? undefined : asRepeat(known.placed[0]!))
  }
  const more = request.once !== undefined || request.forget !== undefined || (request.state ?? []).length > 0
  if (fresh === 0 && !more) return { kind: 'repeat', placed: repeated as Placed[], frame: lastFrame }
  return { kind: 'write', repeated, keys: own.size + (request.once === undefined ? 0 : 1) }
}

/** Why it can not be written, if so. */
export function refusalOf(
  { items }: AppendRequest,
  keys: number,
  limits: Limits,
  table: ChannelTable,
  state: KeyedState,
  now: number,
): FanfareError | undefined {
  if (keys > 0 && state.onceCount + keys > limits.idempotencyKeys) {
    state.expire(now, true)
    if (state.onceCount + keys > limits.idempotencyKeys)
      return new FanfareError('idempotency-full', `the store remembers ${limits.idempotencyKeys} keys`)
  }
  if (table.names.count + items.length <= limits.channels) return undefined
  const added = new Set(items.map(({ channel }) => channel).filter((channel) => table.names.find(channel) < 0))
  if (added.size === 0 || table.names.count + added.size <= limits.channels) return undefined
  return new FanfareError('channels-full', `the store holds ${limits.channels} channels`)
}

/** It takes little room and gives back more. What deletes nothing waits as all others do, else it would use up what is reserved for those who make room. */
export const makesRoom = ({ items, once, state, forget }: StoreRequest, table: ChannelTable): boolean =>
  items.length > 0 &&
  once === undefined &&
  forget === undefined &&
  (state ?? []).length === 0 &&
  items.every(({ kind }) => kind === 'delete') &&
  items.some(({ channel }) => table.holds(channel))

export const asRepeat = (placed: Placed): Placed => (placed.replayed ? placed : { ...placed, replayed: true })

/** Bytes that it takes while it waits: all but names of channels, which are mostly known. */
export function weightOf({ items, once, state }: AppendRequest): number {
  let weight = 0
  for (const item of items) {
    weight += item.kind === 'delete' ? deletionBound : publicationBound(item.message)
    if (item.kind === 'publication' && item.once !== undefined) weight += onceBound(item.once, 1)
  }
  if (once !== undefined) weight += onceBound(once, items.length)
  for (const { key, value } of state ?? []) weight += stateBound(key, value)
  return weight
}

/** Most bytes that it takes in a frame. */
export const boundOf = (request: AppendRequest, weight: number): number => weight + request.items.length * nameBound
