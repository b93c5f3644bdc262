import { channelProblem } from './channel.ts'
import type { CommandId } from './fanfare-v1.ts'
import { isJsonNull, jsonString, scanArray, scanObject } from './json.ts'
import type { JsonSlice } from './json.ts'
import { limits } from './limits.ts'
import { messageFromItem, missingChannel } from './message.ts'
import type { MessageItem } from './message.ts'
import { isProblem, problemOf } from './problem.ts'
import type { Problem } from './problem.ts'
import { parseLimit, parseOnGap, parseSince } from './since.ts'
import type { OnGap, Since } from './since.ts'
import { decodeUtf8, encodeUtf8 } from './utf8.ts'

/** What a client of `fanfare.v1` wants; each is answered once, by its id. */
export type Command =
  | SubscribeCommand
  | { readonly kind: 'unsubscribe'; readonly id: string; readonly channel: string }
  | { readonly kind: 'publish'; readonly id: string; readonly item: MessageItem }
  | HistoryCommand
  | { readonly kind: 'ping'; readonly id: string }
  /** A verb that is named but not built yet: error `not-available`. */
  | { readonly kind: 'unavailable'; readonly id: string; readonly verb: string }
  /** Error `command-unknown`. */
  | { readonly kind: 'unknown'; readonly id: string; readonly verb: string }
  /** A command that can't be carried out: the error to answer with. */
  | { readonly kind: 'refused'; readonly id: CommandId; readonly problem: Problem }

export interface SubscribeCommand {
  readonly kind: 'subscribe'
  readonly id: string
  readonly channel: string
  /** Absent: `latest`. */
  readonly since?: Since | undefined
  readonly onGap: OnGap
}

export interface HistoryCommand {
  readonly kind: 'history'
  readonly id: string
  readonly channel: string
  readonly since?: Since | undefined
  readonly limit: number
}

/**
 * The commands of a frame: an object, or an array of them. A problem is one of the whole frame (no JSON, no object, too many): the connection closes with
 * 4400. What is wrong with one command is a command of kind `unknown`, `unavailable` or `refused`, so that it gets its reply and the others theirs.
 */
export function parseCommands(frame: string | Uint8Array): readonly Command[] | Problem {
  const bytes = typeof frame === 'string' ? encodeUtf8(frame) : frame
  const first = firstByte(bytes)
  if (first === 0x7b) {
    const members = scanObject(bytes)
    return isProblem(members) ? asFrameProblem(members) : [commandOf(members)]
  }
  if (first !== 0x5b) return problemOf('command-invalid', 'a frame holds a JSON object or an array of them')
  const elements = scanArray(bytes, limits.frameCommands)
  if (isProblem(elements)) return asFrameProblem(elements)
  const commands: Command[] = []
  for (const element of elements) {
    const members = scanObject(element)
    if (isProblem(members)) return asFrameProblem(members)
    commands.push(commandOf(members))
  }
  return commands
}

type Members = ReadonlyMap<string, JsonSlice>

const unavailable = ['authenticate', 'presence', 'call']
const verbs = ['subscribe', 'unsubscribe', 'publish', 'history', 'ping', ...unavailable]

function commandOf(members: Members): Command {
  const id = commandId(members.get('id'))
  if (id === null) return refused(null, problemOf('command-invalid', 'a command has an id: a number or a string of at most 255 bytes'))
  const named = verbs.filter((verb) => members.has(verb))
  const [verb] = named
  if (verb === undefined) {
    const [other] = [...members.keys()].filter((name) => name !== 'id')
    if (other === undefined) return refused(id, problemOf('command-invalid', 'a command has a verb'))
    return { kind: 'unknown', id, verb: other.slice(0, 64) }
  }
  if (named.length > 1) return refused(id, problemOf('command-invalid', `a command has one verb, not ${named.join(' and ')}`))
  if (unavailable.includes(verb)) return { kind: 'unavailable', id, verb }
  const body = scanObject(members.get(verb) ?? new Uint8Array())
  if (isProblem(body)) return refused(id, problemOf('command-invalid', `${verb} is a JSON object`))
  const command = verbCommand(id, verb, body)
  return isProblem(command) ? refused(id, command) : command
}

function verbCommand(id: string, verb: string, body: Members): Command | Problem {
  if (verb === 'ping') return { kind: 'ping', id }
  if (verb === 'publish') {
    const item = messageFromItem(body)
    return isProblem(item) ? item : { kind: 'publish', id, item }
  }
  const channel = channelOf(body)
  if (isProblem(channel)) return channel
  if (verb === 'unsubscribe') return { kind: 'unsubscribe', id, channel }
  const since = sinceOf(body)
  if (isProblem(since)) return since
  const begin = since === undefined ? {} : { since }
  if (verb === 'history') {
    const limit = limitOf(body)
    return isProblem(limit) ? limit : { kind: 'history', id, channel, limit, ...begin }
  }
  const onGap = onGapOf(body)
  return isProblem(onGap) ? onGap : { kind: 'subscribe', id, channel, onGap, ...begin }
}

/** Where an object of JSON says to begin: `since` and `last`, the words of the query as members. Those that are `null` are as if absent. */
export function sinceOf(members: Members): Since | undefined | Problem {
  const since = wordOf(members, 'since')
  if (isProblem(since)) return problemOf('cursor-invalid', 'since is a string')
  const last = numberOf(members, 'last')
  return isProblem(last) ? last : parseSince({ since, last })
}

const bodyMembers = ['channel', 'since', 'last', 'limit', 'onGap']

function channelOf(body: Members): string | Problem {
  const channel = wordOf(body, 'channel')
  if (channel === undefined) return missingChannel(body, bodyMembers)
  if (isProblem(channel)) return problemOf('channel-name-invalid', 'channel is a string')
  const problem = channelProblem(channel)
  if (problem !== undefined) return problemOf('channel-name-invalid', problem)
  return channel.startsWith('$')
    ? problemOf('channel-reserved', 'channels whose first segment begins with $ are reserved for Fanfare')
    : channel
}

function limitOf(members: Members): number | Problem {
  const limit = numberOf(members, 'limit')
  return isProblem(limit) ? limit : limit === undefined ? limits.pollPublications : parseLimit(limit)
}

function onGapOf(members: Members): OnGap | Problem {
  const onGap = wordOf(members, 'onGap')
  return isProblem(onGap) ? onGap : parseOnGap(onGap)
}

function wordOf(members: Members, name: string): string | undefined | Problem {
  const slice = members.get(name)
  if (slice === undefined || isJsonNull(slice)) return undefined
  return jsonString(slice) ?? problemOf('parameter-invalid', `${name} is a string`)
}

/** The token of a number, which the parsers of parameters read as they do those of a query. */
function numberOf(members: Members, name: string): string | undefined | Problem {
  const slice = members.get(name)
  if (slice === undefined || isJsonNull(slice)) return undefined
  return slice.length <= 16 && isNumber(slice) ? decodeUtf8(slice) : problemOf('parameter-invalid', `${name} is a whole number`)
}

function isNumber(slice: JsonSlice): boolean {
  const first = slice[0] ?? 0
  return first === 0x2d || (first >= 0x30 && first <= 0x39)
}

function commandId(slice: JsonSlice | undefined): CommandId {
  if (slice === undefined || slice.length > limits.headerValueBytes) return null
  return slice[0] === 0x22 || isNumber(slice) ? decodeUtf8(slice) : null
}

function refused(id: CommandId, problem: Problem): Command {
  return { kind: 'refused', id, problem }
}

function asFrameProblem(problem: Problem): Problem {
  return problemOf('command-invalid', problem.problem)
}

function firstByte(bytes: Uint8Array): number {
  const at = bytes.findIndex((byte) => byte > 0x20)
  return bytes[at] ?? 0
}
