import { describe, expect, it } from 'vitest'
import {
  closeMessage,
  cursorMessage,
  encodeUtf8,
  errorReply,
  gapMessage,
  heartbeatMessage,
  isProblem,
  okReply,
  parseCommands,
  publishedJson,
  readyMessage,
  subscribedJson,
} from '../src/index.ts'
import type { CloseNotice, Command, ErrorCode, Gap } from '../src/index.ts'
import { bytesOf, hexOf, readVectors } from './vectors.ts'
import type { Bytes } from './vectors.ts'

type Meaning = Readonly<Record<string, unknown>> & { readonly kind: string }

type Sent =
  | { message: 'ready'; node: string; heartbeat: number; text: string }
  | { message: 'gap'; gap: Gap; text: string }
  | { message: 'heartbeat' | 'cursor'; cursor: string; text: string }
  | { message: 'close'; close: CloseNotice; text: string }
  | { message: 'ok'; id: string; ok: string; text: string }
  | { message: 'error'; id: string | null; code: ErrorCode; detail: string; text: string }
  | { message: 'subscribed'; channel: string; cursor: string; recovered: boolean; text: string }
  | { message: 'published'; published: { channel: string; offset: number; cursor: string; time: number }; text: string }

const vectors = readVectors('fanfare-v1') as {
  frames: { frame: string; commands: Meaning[] }[]
  badFrames: { frame: string }[]
  server: Sent[]
}

/** A command as the vectors write it: the item flat, payloads in hex, of problems the code. */
function shown(command: Command): object {
  if (command.kind === 'refused') return { kind: 'refused', id: command.id, code: command.problem.code }
  if (command.kind !== 'publish') return command
  const { message, ...item } = command.item
  return { kind: 'publish', id: command.id, ...item, message: { ...message, data: hexOf(message.data) } }
}

function meant(meaning: Meaning): object {
  if (meaning.kind !== 'publish') return meaning
  const { text, hex, ...rest } = meaning['message'] as { text?: string; hex?: string }
  const data = hexOf(bytesOf((text === undefined ? { hex } : { text }) as Bytes))
  return { ...meaning, message: { ...rest, data } }
}

function textOf(sent: Sent): string {
  switch (sent.message) {
    case 'ready':
      return readyMessage(sent.node, sent.heartbeat)
    case 'gap':
      return gapMessage(sent.gap)
    case 'heartbeat':
      return heartbeatMessage(sent.cursor)
    case 'cursor':
      return cursorMessage(sent.cursor)
    case 'close':
      return closeMessage(sent.close)
    case 'ok':
      return okReply(sent.id, sent.ok)
    case 'error':
      return errorReply(sent.id, sent.code, sent.detail)
    case 'subscribed':
      return subscribedJson(sent.channel, sent.cursor, sent.recovered)
    case 'published':
      return publishedJson(sent.published)
    default:
      return sent satisfies never
  }
}

describe('a frame of a client of fanfare.v1', () => {
  it.each(vectors.frames)('$frame means $commands', ({ frame, commands }) => {
    const expected = commands.map(meant)
    for (const form of [frame, encodeUtf8(frame)]) {
      const read = parseCommands(form)
      expect(isProblem(read) ? read : read.map(shown)).toEqual(expected)
    }
  })

  it.each(vectors.badFrames)('$frame closes the connection', ({ frame }) => {
    expect(parseCommands(frame)).toMatchObject({ code: 'command-invalid' })
  })

  it('that is not UTF-8 closes the connection', () => {
    expect(parseCommands(bytesOf({ hex: '7b226964223a22ff227d' }))).toMatchObject({ code: 'command-invalid' })
  })

  it('with one bad command carries out the others', () => {
    const read = parseCommands('[{"id":1,"publish":{"channel":"a","data":1,"event":"open"}},{"id":2,"publish":{"channel":"a","data":2}}]')
    expect(isProblem(read) ? [] : read.map((command) => command.kind)).toEqual(['refused', 'publish'])
  })
})

describe('a message of the server', () => {
  it.each(vectors.server)('$message is $text', (sent) => {
    expect(textOf(sent)).toBe(sent.text)
    expect(() => JSON.parse(sent.text) as unknown).not.toThrow()
  })
})
