import {
  errorMessage,
  FanfareError,
  multipartType,
  writeCursorPart,
  writeErrorPart,
  writeGapPart,
  writeMultipartBegin,
} from '@fanfare/wire'
import { answerStream } from './stream-sink.ts'
import type { StreamWords } from './stream-sink.ts'
import type { Ground, Transport } from './transport.ts'

/** A part a publication (RFC 2046, section 5.1.3). */
export function multipart(ground: Ground): Transport {
  return {
    name: 'multipart',
    receive: (call) => answerStream(ground, call, words, (chunked) => ground.forms.part(call.question.envelope, chunked)),
  }
}

const words: StreamWords = {
  transport: 'multipart',
  fields: ['Content-Type', multipartType],
  begin(out, cursor, gaps) {
    writeMultipartBegin(out)
    for (const gap of gaps) writeGapPart(out, gap, false)
    writeCursorPart(out, cursor)
  },
  gap: (out, gap) => writeGapPart(out, gap, false),
  mark: writeCursorPart,
  stop: (out, gap) => writeGapPart(out, gap, true),
  fail: (out, error) => writeErrorPart(out, error.code, errorMessage(error)),
  leave(out, afterMs) {
    const error = new FanfareError('draining', 'the server goes down; come again')
    writeErrorPart(out, error.code, errorMessage(error, afterMs))
  },
}
