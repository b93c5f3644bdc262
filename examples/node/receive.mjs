// Receives a channel with fetch and nothing else, and goes on where it stopped: node receive.mjs news [CURSOR]
//
// Prints the offset and the payload as JSON. Begins with what the channel keeps, or after the cursor that is given; runs until it is stopped.
import { setTimeout as sleep } from 'node:timers/promises'

const base = process.env.FANFARE_URL ?? 'http://127.0.0.1:8000'
// The server sends a line every 15 s at most; who hears nothing for longer has lost it.
const silenceMs = 40_000

const [channel, since = 'earliest'] = process.argv.slice(2)
if (channel === undefined) {
  console.error('usage: node receive.mjs CHANNEL [CURSOR]')
  process.exit(2)
}

let cursor = since
for (;;) {
  const pauseMs = await follow().catch((error) => {
    console.error(`again: ${error.cause?.message ?? error.message}`)
    return 500
  })
  await sleep(pauseMs)
}

/** One connection: prints what comes, and gives the milliseconds to wait before the next one. */
async function follow() {
  const silence = new AbortController()
  const timer = setTimeout(() => silence.abort(new Error('silence')), silenceMs)
  try {
    const path = channel.split('/').map(encodeURIComponent).join('/')
    const answer = await fetch(`${base}/channels/${path}?since=${cursor}`, {
      headers: { Accept: 'application/x-ndjson' },
      signal: silence.signal,
    })
    if (answer.status === 429 || answer.status === 503) return 1000 * Number(answer.headers.get('Retry-After') ?? 1)
    if (!answer.ok) {
      console.error(`refused: ${await answer.text()}`)
      process.exit(1)
    }
    for await (const message of messages(answer.body)) {
      timer.refresh()
      if (message.gap !== undefined) console.error('gap', JSON.stringify(message.gap))
      if (message.error !== undefined) return message.error.after ?? 1000
      if (message.offset !== undefined) console.log(`${message.offset} ${JSON.stringify(message.data)}`)
      // A message without an offset is a place, too: the beginning, or a heartbeat.
      cursor = message.cursor ?? cursor
    }
    return 500
  } finally {
    clearTimeout(timer)
  }
}

/** The lines of a body as objects. What stands behind the last line end was cut. */
async function* messages(body) {
  let rest = ''
  for await (const text of body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split('\n')
    rest = lines.pop()
    for (const line of lines) yield JSON.parse(line)
  }
}
