import { once } from 'node:events'
import { WebSocket } from 'ws'
import { expect } from '../expect.ts'
import { channelPath } from '../receivers/http.ts'
import type { ReceiverRow } from '../receivers/receiver.ts'
import { check } from './check.ts'
import type { Check } from './check.ts'

/** A ping of WebSocket is due every 25 s, other signs of life every 15 s. */
const patienceMs = 40_000

/** Who waits hears that the server is there, and where it stands (CONTRACT sections 4, 6 and 9). */
export function heartbeatChecks(receivers: readonly ReceiverRow[]): readonly Check[] {
  const waiting = receivers.filter(({ transport }) => !['poll', 'long-poll', 'jsonp'].includes(transport))
  return waiting.map((row) => (row.carriesCursor ? beats(row) : pings(row)))
}

function beats(row: ReceiverRow): Check {
  const run: Check['run'] = async (bed) => {
    const channel = bed.channel()
    const [place] = await bed.told(() => channel, 1, 1)
    const taker = await bed.take(row, { channels: [channel], since: place?.cursor }).opened()
    const { length } = taker.told
    await taker.until(() => taker.told.length > length)
    expect(taker.end).toBeUndefined()
    expect(taker.told.at(-1)).toMatchObject({ kind: 'cursor' })
    await bed.publisher.count(() => channel, 2, 2)
    expect((await taker.publicationCount(1)).numbers()).toEqual([2])
  }
  return check(row, 'heartbeat', 'says where it stands while nothing comes', run, { patienceMs })
}

function pings(row: ReceiverRow): Check {
  const run: Check['run'] = async (bed) => {
    const socket = new WebSocket(`${bed.url.replace(/^http/, 'ws')}${channelPath(bed.channel())}`)
    bed.onEnd(() => socket.terminate())
    await once(socket, 'ping')
    expect(socket.readyState).toBe(WebSocket.OPEN)
  }
  return check(row, 'heartbeat', 'is pinged while nothing comes', run, { patienceMs })
}
