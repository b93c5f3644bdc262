// What one writes by hand for long-polling: node:http holds requests and answers them with the next publication. One channel, of which it keeps the newest
// publication, for those who ask again too late to be held for it. No log, no limits; the answer is Fanfare's, byte for byte but for what stands in the cursor.
import { createServer } from 'node:http'
import { answerParent } from '../lib/child.mjs'

const { port } = JSON.parse(process.argv[2] ?? '{}')
const cursorHead = '1AAAAAAAAAAAAAAAABBBB'

/** @typedef {{ response: import('node:http').ServerResponse, timer: NodeJS.Timeout }} Held */
/** @type {Set<Held>} */
let waiting = new Set()
let seq = 0
let newest = { cursor: `${cursorHead}0`, body: '' }

const server = createServer((request, response) => {
  const url = request.url ?? ''
  const question = url.indexOf('?')
  if (request.method === 'POST') return receive(request, (body) => publish(url.slice('/channels/'.length), body, response))
  const query = new URLSearchParams(question < 0 ? '' : url.slice(question + 1))
  const since = query.get('since')
  if (since !== null && since.startsWith(cursorHead) && parseInt(since.slice(cursorHead.length), 36) < seq) return answer(response, newest)
  hold(response, Number(query.get('wait') ?? 25) * 1000)
})
server.listen(port, '127.0.0.1', () => answerParent({ ready: () => ({ port }) }))

/** @param {import('node:http').ServerResponse} response @param {number} waitMs */
function hold(response, waitMs) {
  const empty = () => answer(response, { cursor: newest.cursor, body: answerJson(newest.cursor, '') })
  /** @type {Held} */
  const held = { response, timer: setTimeout(empty, waitMs) }
  waiting.add(held)
  response.on('close', () => {
    clearTimeout(held.timer)
    waiting.delete(held)
  })
}

/** @param {string} channel @param {string} data @param {import('node:http').ServerResponse} response */
function publish(channel, data, response) {
  const cursor = `${cursorHead}${(++seq).toString(36)}`
  const place = `{"channel":${JSON.stringify(channel)},"offset":${seq},"cursor":"${cursor}","time":${Date.now()}`
  newest = { cursor, body: answerJson(cursor, `${place},"data":${JSON.stringify(data)},"type":"text/plain"}`) }
  const held = waiting
  waiting = new Set()
  for (const { response: one } of held) answer(one, newest)
  const body = `${place}}`
  response.writeHead(201, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body), 'Fanfare-Cursor': cursor })
  response.end(body)
}

/** @param {string} cursor @param {string} publications */
function answerJson(cursor, publications) {
  return `{"cursor":"${cursor}","publications":[${publications}],"more":false,"gaps":[]}`
}

/** @param {import('node:http').ServerResponse} response @param {{ cursor: string, body: string }} one */
function answer(response, { cursor, body }) {
  response.writeHead(200, {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(body),
    'Fanfare-Cursor': cursor,
    'Cache-Control': 'no-store',
  })
  response.end(body)
}

/** @param {import('node:http').IncomingMessage} request @param {(body: string) => void} done */
function receive(request, done) {
  request.setEncoding('utf8')
  let body = ''
  request.on('data', (chunk) => (body += chunk))
  request.on('end', () => done(body))
}
