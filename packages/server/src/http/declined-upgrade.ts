import { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { Socket } from 'node:net'
import { FanfareError } from '@fanfare/wire'

/**
 * A request that offers another protocol than WebSocket, such as the `h2c` of Java's HttpClient and of `curl --http2`. The offer may be ignored (RFC 9110,
 * section 7.8), but node has let go of the connection already: the body is read here, and the answer is the last on it. `given` and `head` are what node gave
 * with the upgrade.
 */
export function answerDeclined(
  req: IncomingMessage,
  given: Duplex,
  head: Buffer,
  answer: (req: IncomingMessage, res: ServerResponse) => void,
): void {
  const { socket } = req
  if (!(socket instanceof Socket) || req.headers['transfer-encoding'] !== undefined) {
    throw new FanfareError('upgrade-invalid', 'a body in chunks can not come with an offer to upgrade')
  }
  const asked = hasItsBody(req, given) ? req : withoutUpgrade(req, socket)
  const res = new ServerResponse(asked)
  res.shouldKeepAlive = false
  res.assignSocket(socket)
  // What node does for the responses of its own requests.
  res.once('finish', () => {
    res.detachSocket(socket)
    socket.destroySoon()
    res.destroyed = true
    res.emit('close')
  })
  if (asked === req) letBodyCome(req, given)
  else feedBody(asked, socket, head)
  socket.once('close', () => {
    if (!asked.complete) asked.destroy()
  })
  answer(asked, res)
}

/** Since Node 25 a request that offers an upgrade has its body itself; where that is still to come, a stream is given that holds back what follows it. */
function hasItsBody(req: IncomingMessage, given: Duplex): boolean {
  return given !== req.socket || req.readableLength > 0
}

/** What follows the body is dropped. Reading it would make node read the body too: so not before that has been taken. */
function letBodyCome(req: IncomingMessage, given: Duplex): void {
  given.on('end', () => given.destroy())
  if (req.complete) given.resume()
  else req.once('end', () => given.resume())
}

/** Node has ended the request that it gave; this one has its head, and its body is still to come. */
function withoutUpgrade(req: IncomingMessage, socket: Socket): IncomingMessage {
  const { httpVersion, httpVersionMajor, httpVersionMinor, method = '', url = '', headers, rawHeaders } = req
  const fields = { httpVersion, httpVersionMajor, httpVersionMinor, method, url, headers, rawHeaders }
  return Object.assign(new IncomingMessage(socket), fields)
}

function feedBody(req: IncomingMessage, socket: Socket, head: Buffer): void {
  let missing = Number(req.headers['content-length'] ?? 0)
  const take = (chunk: Buffer): void => {
    if (missing === 0) return
    const part = chunk.subarray(0, missing)
    missing -= part.length
    req.push(part)
    if (missing === 0) end()
  }
  const end = (): void => {
    req.complete = true
    req.push(null)
  }
  if (missing === 0) end()
  else take(head)
  socket.on('data', take)
  socket.on('end', () => socket.destroy())
}
