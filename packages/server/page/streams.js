import { lineReader, partReader, take } from './messages.js'

// A transport opens itself for a `call` and returns what closes it. The call has the address to ask (with the place to begin), and hears what comes:
// `place`, `publication`, `gap`, `alive`, `late` (an answer is missing), `lost` (it comes back by itself), `ended` (it has to be
// opened again).

/** The names of events that an EventSource has to be told: what bears another never reaches the page. */
const eventNames = new Set(['message'])

/** For those that are opened from now on. */
export function learnEvent(name) {
  eventNames.add(name)
}

export const eventSource = {
  name: 'sse',
  title: 'EventSource',
  about: 'Server-Sent Events',
  held: true,
  open(call) {
    const source = new EventSource(call.address({ envelope: 1 }))
    const onPublication = ({ data }) => call.publication(JSON.parse(data))
    for (const name of eventNames) source.addEventListener(name, onPublication)
    source.addEventListener('fanfare.ready', ({ lastEventId }) => call.place(lastEventId))
    source.addEventListener('fanfare.gap', ({ data }) => call.gap(JSON.parse(data)))
    source.addEventListener('error', () => {
      if (source.readyState === EventSource.CLOSED) call.ended({ message: 'the browser gave up' })
      else call.lost('the browser tries again itself')
    })
    return {
      close: () => source.close(),
      /** True where the name is new: what was published under it before may be missing. */
      learn(name) {
        if (eventNames.has(name)) return false
        eventNames.add(name)
        source.addEventListener(name, onPublication)
        return true
      },
    }
  },
}

export const webSocket = {
  name: 'websocket',
  title: 'WebSocket',
  about: 'frames with envelopes',
  held: false,
  open(call) {
    const address = new URL(call.address({ envelope: 1 }))
    address.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:'
    const socket = new WebSocket(address)
    socket.addEventListener('message', ({ data }) => take(call, JSON.parse(data)))
    socket.addEventListener('close', ({ code, reason }) => call.ended({ message: reason === '' ? `closed with ${code}` : reason }))
    return { close: () => socket.close() }
  },
}

export const stream = {
  name: 'stream',
  title: 'Fetch stream',
  about: 'NDJSON, a line each',
  held: true,
  beats: true,
  open: (call) => openFetch(call, {}, lineReader),
}

export const multipart = {
  name: 'multipart',
  title: 'Multipart',
  about: 'fetch, a part each',
  held: true,
  beats: true,
  open: (call) => openFetch(call, { envelope: 1 }, partReader),
}

function openFetch(call, parameters, makeReader) {
  const abort = new AbortController()
  readFetch(call, call.address(parameters), abort.signal, makeReader).catch((error) => call.ended(error))
  return { close: () => abort.abort() }
}

async function readFetch(call, address, signal, makeReader) {
  const response = await reach(address, { signal, cache: 'no-store' })
  if (!response.ok) return call.ended(await problemOf(response))
  const read = makeReader((message) => take(call, message))
  const body = response.body.getReader()
  for (let part = await body.read(); !part.done; part = await body.read()) {
    call.alive()
    read(part.value)
  }
  call.ended({ message: 'the answer ended' })
}

/** Browsers say each in other words that there is no connection. */
export async function reach(address, request) {
  try {
    return await fetch(address, request)
  } catch (error) {
    throw new Error('no connection', { cause: error })
  }
}

/** What a refusal says. */
export async function problemOf(response) {
  const problem = await response.json().catch(() => ({}))
  return { code: problem.code, message: problem.detail ?? `the server answered ${response.status}` }
}

const lookMs = 1000

/**
 * A document that never ends, in a frame of the page; each publication is a script that calls the page. Browsers hardly tell when its connection is cut:
 * Firefox shows a document of its own, which the page may not see; Chromium does nothing at all, so that the lane is `blind` and doubts with others.
 */
export const foreverFrame = {
  name: 'iframe',
  title: 'Forever-iframe',
  about: 'a document without end',
  held: true,
  beats: true,
  blind: true,
  open(call) {
    window.fanfareFrame = (message) => {
      call.alive()
      take(call, message)
    }
    const frame = document.createElement('iframe')
    frame.hidden = true
    frame.title = 'publications'
    frame.src = call.address({ callback: 'fanfareFrame' })
    frame.addEventListener('load', () => call.ended({ message: 'the document ended' }))
    document.body.append(frame)
    const look = setInterval(() => {
      if (frame.contentDocument === null) call.ended({ message: 'the document is gone' })
    }, lookMs)
    return {
      close() {
        clearInterval(look)
        frame.remove()
      },
    }
  },
}
