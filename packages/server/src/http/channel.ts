import type { Exchange } from './exchange.ts'
import { answerWith, begin } from './exchange.ts'
import { channelOf } from './channel-name.ts'

/** `HEAD /channels/{channel}`: where its head is and how much is kept, without the publications. */
export function head(exchange: Exchange): void {
  const { site, res, headers, target } = exchange
  begin(exchange)
  answerWith(exchange, site.node.facts(channelOf(target)), (facts) => {
    const fields = ['Fanfare-Cursor', facts.cursor, 'Fanfare-Count', String(facts.count), 'Cache-Control', 'no-store']
    res.writeHead(200, [...headers, 'Content-Type', 'application/json', ...fields])
    res.end()
  })
}

/** `DELETE /channels/{channel}`: its publications go, its offsets go on. */
export function remove(exchange: Exchange): void {
  const { site, res, headers, target } = exchange
  begin(exchange)
  answerWith(exchange, site.node.remove(channelOf(target)), (removed) => {
    res.writeHead(204, [...headers, 'Fanfare-Cursor', removed.cursor, 'Cache-Control', 'no-store'])
    res.end()
  })
}
