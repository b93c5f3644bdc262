import { WebSocket } from 'ws'
import type { RawData } from 'ws'
import { gapOf, publicationOf } from './envelope.ts'
import { rawElements, rawMembers } from './raw-json.ts'
import { ToldQueue } from './receiver.ts'
import type { Ask, Receiving, ReceiverRow } from './receiver.ts'
import { bytesOf, endsWith } from './websocket.ts'

/** The protocol `fanfare.v1` on `/connect` (CONTRACT section 6): each channel is a receiver of its own. */
export const fanfareV1Receiver: ReceiverRow = {
  name: 'fanfare.v1',
  transport: 'fanfare.v1',
  carriesCursor: true,
  carriesEnvelope: true,
  movesByChannel: true,
  beginsByChannel: true,
  open: openConnection,
}

function openConnection(url: string, ask: Ask): Receiving {
  const socket = new WebSocket(`${url.replace(/^http/, 'ws')}/connect`, 'fanfare.v1', {
    perMessageDeflate: false,
    headers: { ...ask.headers },
  })
  const queue = new ToldQueue(() => socket.terminate())
  endsWith(socket, queue)
  let ready = false
  socket.on('message', (data: RawData) => {
    for (const text of objectsOf(new TextDecoder('utf-8', { fatal: true }).decode(bytesOf(data)))) {
      const members = rawMembers(text)
      if (!ready) {
        if (!members.has('ready')) return queue.push({ kind: 'end', code: 0, reason: `ready does not come first: ${text}` })
        ready = true
        socket.send(JSON.stringify(commandsOf(ask)))
      } else tell(queue, text, members, ask)
    }
  })
  return queue
}

function commandsOf({ channels, since, sinceOf, last, onGap, words }: Ask): readonly object[] {
  return channels.map((channel, index) => ({
    id: index + 1,
    subscribe: { channel, since: sinceOf?.get(channel) ?? since, last, onGap, ...words },
  }))
}

function objectsOf(text: string): readonly string[] {
  return text.trimStart().startsWith('[') ? rawElements(text) : [text]
}

function tell(queue: ToldQueue, text: string, members: ReadonlyMap<string, string>, ask: Ask): void {
  const name = [...members.keys()][0] ?? ''
  switch (name) {
    case 'id': {
      const { id, ok, error } = JSON.parse(text) as {
        id: number
        ok?: { channel: string; cursor: string }
        error?: { code: string; gap?: unknown }
      }
      if (ok === undefined) return queue.push({ kind: 'end', code: 0, reason: JSON.stringify(error), inAnswer: true })
      const channel = ask.channels[id - 1]
      if (ok.channel !== channel) return queue.push({ kind: 'end', code: 0, reason: `answer ${id} is about ${ok.channel}` })
      return queue.push({ kind: 'cursor', cursor: ok.cursor, channel })
    }
    case 'gap':
      return queue.push({ kind: 'gap', gap: gapOf(members.get('gap') ?? '') })
    case 'heartbeat':
      return queue.push({ kind: 'cursor', cursor: (JSON.parse(members.get('heartbeat') ?? '{}') as { cursor: string }).cursor })
    case 'close':
      return queue.push({ kind: 'end', code: 0, reason: text })
    default:
      return queue.push(publicationOf(text))
  }
}
