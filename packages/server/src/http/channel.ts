import type { Exchange } from './exchange.ts'
import { work, writeHead } from './exchange.ts'
import { channelOf } from './channel-name.ts'

/** `HEAD /channels/{channel}`: where its head is and how much is kept, without the publications. */
export function head(exchange: Exchange): void {
  const { site, res, target } = exchange
  const channel = channelOf(target)
  work(exchange, async () => {
    const facts = await site.node.facts(channel)
    const fields = ['Fanfare-Cursor', facts.cursor, 'Fanfare-Count', String(facts.count), 'Cache-Control', 'no-store']
    writeHead(exchange, 200, ['Content-Type', 'application/json', ...fields])
    res.end()
  })
}

/** `DELETE /channels/{channel}`: its publications go, its offsets go on. */
export function remove(exchange: Exchange): void {
  const { site, res, target } = exchange
  const channel = channelOf(target)
  work(exchange, async () => {
    const removed = await site.node.remove(channel)
    writeHead(exchange, 204, ['Fanfare-Cursor', removed.cursor, 'Cache-Control', 'no-store'])
    res.end()
  })
}
