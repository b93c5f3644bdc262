// What one writes by hand: node:http takes the publication, a loop gives it to the channel's receivers, and the answer is Fanfare's. No log, no resume,
// no slow reader, no limits. With a store: the answer waits until the record is on the disk.
import { createServer } from 'node:http'
import { WebSocketServer } from 'ws'
import { answerParent } from '../lib/child.mjs'
import { keepQueued } from '../lib/pbkdf2.mjs'
import { openStore } from '../stores/store.mjs'

const { port, store: storeName, directory } = JSON.parse(process.argv[2] ?? '{}')
const store = storeName === undefined ? undefined : await openStore(storeName, directory)

/** @typedef {{ json: string, sockets: import('ws').WebSocket[], streams: import('node:http').ServerResponse[], offset: number }} Channel */
/** @type {Map<string, Channel>} */
const channels = new Map()
let seq = 0
/** @type {() => Promise<void>} */
let endQueue = async () => undefined

const server = createServer((request, response) => {
  const name = decodeURIComponent((request.url ?? '').slice('/channels/'.length).split('?')[0] ?? '')
  if (request.method === 'POST') return receive(request, (body) => void publish(name, body, response))
  response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' })
  response.write('retry: 2000\n\n')
  join(channelOf(name).streams, response, response)
})
const webSockets = new WebSocketServer({ noServer: true, perMessageDeflate: false, clientTracking: false })
server.on('upgrade', (request, socket, head) => {
  webSockets.handleUpgrade(request, socket, head, (webSocket) => {
    webSocket.on('message', () => undefined)
    join(channelOf(decodeURIComponent((request.url ?? '').slice('/channels/'.length).split('?')[0] ?? '')).sockets, webSocket, webSocket)
  })
})
server.listen(port, '127.0.0.1', () =>
  answerParent({
    ready: () => ({ port }),
    /** @param {number} count */
    queue(count) {
      endQueue = keepQueued(count)
    },
    endQueue: () => endQueue(),
    stop: () => store?.close(),
  }),
)

/** @param {string} name @param {Buffer} body @param {import('node:http').ServerResponse} response */
async function publish(name, body, response) {
  const channel = channelOf(name)
  const offset = store === undefined ? ++channel.offset : await store.append(store.prepare({ channel: name, data: body }))
  const cursor = `1AAAAAAAAAAAAAAAABBBB${(++seq).toString(36)}`
  deliver(channel, body, cursor)
  const answer = `{"channel":${channel.json},"offset":${offset},"cursor":"${cursor}","time":${Date.now()}}`
  response.writeHead(201, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(answer), 'Fanfare-Cursor': cursor })
  response.end(answer)
}

/** @param {Channel} channel @param {Buffer} body @param {string} cursor */
function deliver(channel, body, cursor) {
  for (const socket of channel.sockets) socket.send(body)
  if (channel.streams.length === 0) return
  const block = Buffer.concat([Buffer.from(`id: ${cursor}\ndata: `), body, Buffer.from('\n\n')])
  for (const stream of channel.streams) stream.write(block)
}

/** @param {import('node:http').IncomingMessage} request @param {(body: Buffer) => void} done */
function receive(request, done) {
  /** @type {Buffer[]} */
  const chunks = []
  request.on('data', (chunk) => chunks.push(chunk))
  request.on('end', () => done(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks)))
}

/** @param {string} name @returns {Channel} */
function channelOf(name) {
  let channel = channels.get(name)
  if (channel === undefined) {
    channel = { json: JSON.stringify(name), sockets: [], streams: [], offset: 0 }
    channels.set(name, channel)
  }
  return channel
}

/** @template T @param {T[]} list @param {T} member @param {import('node:events').EventEmitter} emitter */
function join(list, member, emitter) {
  list.push(member)
  emitter.on('close', () => list.splice(list.indexOf(member), 1))
}
