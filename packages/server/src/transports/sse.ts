import { ByteWriter, writeSseGap, writeSseHeartbeat, writeSseReady, writeSseRetry } from '@fanfare/wire'
import { answerStream, streamFields } from './stream-sink.ts'
import type { StreamWords } from './stream-sink.ts'
import type { Ground, Refusing, Transport } from './transport.ts'

/** How long an EventSource waits before it connects again, unless it is told otherwise. */
const retryMs = 2000

/** Server-Sent Events (HTML Standard, section 9.2). */
export function sse(ground: Ground): Transport {
  return {
    name: 'sse',
    receive: (call) => answerStream(ground, call, words, (chunked) => ground.forms.sse(call.question.envelope, chunked)),
    refuse: refuseSse,
  }
}

/** An EventSource never comes back from an answer that isn't 200: where it should, it is told when, and the answer ends. */
function refuseSse({ res, headers, error, afterMs }: Refusing): boolean {
  if (error.status !== 503 && error.status !== 429) return false
  const out = new ByteWriter(32)
  writeSseRetry(out, afterMs)
  res.writeHead(200, [...headers, ...words.fields, ...streamFields])
  res.end(out.slice())
  return true
}

const words: StreamWords = {
  transport: 'sse',
  fields: ['Content-Type', 'text/event-stream'],
  begin(out, cursor, gaps) {
    writeSseRetry(out, retryMs)
    for (const gap of gaps) writeSseGap(out, gap)
    writeSseReady(out, cursor)
  },
  gap: writeSseGap,
  mark: writeSseHeartbeat,
  alive: (out) => writeSseHeartbeat(out),
  stop: writeSseGap,
  leave: writeSseRetry,
}
