import { createHash } from 'node:crypto'
import {
  errorJson,
  FanfareError,
  isProblem,
  messageFromItem,
  orThrow,
  parseMediaType,
  problemOf,
  publishedJson,
  scanArray,
  scanObject,
} from '@fanfare/wire'
import type { MessageItem, Problem } from '@fanfare/wire'
import type { FanfareNode, Published, PublishOptions } from '../core/node-contract.ts'
import { tellable } from '../protocols/tellable.ts'
import { readBody } from './body.ts'
import type { Exchange } from './exchange.ts'
import { answerJson, work } from './exchange.ts'
import { idempotencyKey, refuseEncodings } from './publish.ts'
import { flagOf } from './receive.ts'
import { onlyValue, parseQuery } from './target.ts'

type Item = MessageItem | Problem

/** `POST /publish`: a JSON array or NDJSON of publications (CONTRACT section 2). */
export function publishBatch(exchange: Exchange): void {
  const { site, req, res, target } = exchange
  const atomic = flagOf('atomic', orThrow(onlyValue(orThrow(parseQuery(target.query)), 'atomic')))
  const key = idempotencyKey(req.headers)
  refuseEncodings(req.headers)
  const layout = layoutOf(req.headers['content-type'])
  const limits = site.settings.limits
  work(exchange, async () => {
    const body = await readBody(req, res, site.ground.wheel, {
      mostBytes: limits.batchBytes,
      tooLarge: 'body-too-large',
      bodyMs: limits.bodyMs,
    })
    if (body === undefined) return
    const items = orThrow(parseItems(body, layout, limits.batchItems))
    const options = key === undefined ? {} : { key, print: printOfRefused(body, items) }
    answerAll(exchange, atomic ? await publishAll(site.node, items, options) : await publishEach(site.node, items, options))
  })
}

/** What is refused here is part of the body too that a key stands for. */
function printOfRefused(body: Uint8Array, items: readonly Item[]): string {
  return items.some(isProblem) ? createHash('sha256').update(body).digest('base64url') : ''
}

async function publishAll(node: FanfareNode, items: readonly Item[], options: PublishOptions): Promise<readonly Published[]> {
  const index = items.findIndex(isProblem)
  const bad = items[index]
  if (bad !== undefined && isProblem(bad)) throw new FanfareError(bad.code, bad.problem, { extra: { index } })
  const good = items.filter((item): item is MessageItem => !isProblem(item))
  return good.length === 0 ? [] : await node.publishAtomic(good, options)
}

async function publishEach(node: FanfareNode, items: readonly Item[], options: PublishOptions): Promise<readonly (Published | Error)[]> {
  const good = items.filter((item): item is MessageItem => !isProblem(item))
  const results = good.length === 0 ? [] : await node.publishEach(good, options)
  let next = 0
  return items.map((item) => (isProblem(item) ? errorOf(item) : (results[next++] ?? errorOf(lost))))
}

const lost = problemOf('internal', 'the item was not answered')

function errorOf({ code, problem }: Problem): Error {
  return new FanfareError(code, problem)
}

function answerAll(exchange: Exchange, results: readonly (Published | Error)[]): void {
  const replayed = results.some((result) => !(result instanceof Error) && result.replayed)
  answerJson(
    exchange,
    200,
    `[${results.map((result) => resultJson(exchange, result)).join(',')}]`,
    replayed ? ['Idempotent-Replayed', 'true'] : undefined,
  )
}

function resultJson({ site }: Exchange, result: Published | Error): string {
  if (!(result instanceof Error)) return publishedJson(result)
  const { code, message } = tellable(result, (failure) => site.ground.report(failure))
  return `{"error":${errorJson(code, message)}}`
}

type Layout = 'array' | 'lines' | 'either'

function layoutOf(contentType: string | undefined): Layout {
  if (contentType === undefined || contentType === '') return 'either'
  const { essence, parameters } = orThrow(parseMediaType(contentType))
  const charset = parameters.find(([name]) => name === 'charset')?.[1].toLowerCase() ?? 'utf-8'
  if (charset !== 'utf-8' && charset !== 'utf8' && charset !== 'us-ascii') throw new FanfareError('media-type-unsupported', 'JSON is UTF-8')
  if (essence === 'application/x-ndjson' || essence === 'application/ndjson' || essence === 'application/jsonl') return 'lines'
  if (essence === 'application/json') return 'array'
  // What curl -d says by itself.
  if (essence === 'application/x-www-form-urlencoded') return 'either'
  throw new FanfareError('media-type-unsupported', 'a batch is application/json (an array) or application/x-ndjson')
}

const bracket = 0x5b
const lineFeed = 0x0a

function parseItems(body: Uint8Array, layout: Layout, most: number): readonly Item[] | Problem {
  const first = body.find((byte) => byte > 0x20)
  if (layout === 'array' || (layout === 'either' && first === bracket)) {
    const elements = scanArray(body, most)
    return isProblem(elements) ? elements : elements.map(itemOf)
  }
  const items: Item[] = []
  for (let from = 0; from < body.length;) {
    const feed = body.indexOf(lineFeed, from)
    const end = feed < 0 ? body.length : feed
    const line = body.subarray(from, end)
    from = end + 1
    if (!line.some((byte) => byte > 0x20)) continue
    if (items.length === most) return problemOf('body-too-large', `a batch has at most ${most} items`)
    items.push(itemOf(line))
  }
  return items
}

function itemOf(slice: Uint8Array): Item {
  const members = scanObject(slice)
  return isProblem(members) ? members : messageFromItem(members)
}
