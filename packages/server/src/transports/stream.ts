import { cursorMessage, errorMessage, FanfareError, gapMessage, writeNdjsonLine } from '@fanfare/wire'
import { answerStream } from './stream-sink.ts'
import type { StreamWords } from './stream-sink.ts'
import type { Ground, Transport } from './transport.ts'

/** Publications as JSON, one a line. */
export function stream(ground: Ground): Transport {
  return { name: 'stream', receive: (call) => answerStream(ground, call, words, ground.forms.line) }
}

const words: StreamWords = {
  transport: 'stream',
  fields: ['Content-Type', 'application/x-ndjson'],
  begin(out, cursor, gaps) {
    for (const gap of gaps) writeNdjsonLine(out, gapMessage(gap))
    writeNdjsonLine(out, cursorMessage(cursor))
  },
  gap: (out, gap) => writeNdjsonLine(out, gapMessage(gap)),
  mark: (out, cursor) => writeNdjsonLine(out, cursorMessage(cursor)),
  stop: (out, gap) => writeNdjsonLine(out, gapMessage(gap)),
  fail: (out, error) => writeNdjsonLine(out, errorMessage(error)),
  leave: (out, afterMs) => writeNdjsonLine(out, errorMessage(new FanfareError('draining', 'the server goes down; come again'), afterMs)),
}
