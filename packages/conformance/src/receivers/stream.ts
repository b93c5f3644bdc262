import { openBody } from './body.ts'
import type { BodyReader } from './body.ts'
import { toldOf } from './envelope.ts'
import { askedOf } from './http.ts'
import type { ReceiverRow, Told } from './receiver.ts'

/** A JSON object a line. */
export const streamReceiver: ReceiverRow = {
  name: 'stream',
  transport: 'stream',
  carriesCursor: true,
  carriesEnvelope: true,
  movesByChannel: false,
  beginsByChannel: true,
  open: (url, ask) => openBody(url, askedOf(ask, 'stream'), /^application\/x-ndjson\b/, () => new LineReader()),
}

/** Lines from bytes that are cut anywhere; only LF ends one. */
class LineReader implements BodyReader {
  readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  #rest = ''

  take(chunk: Uint8Array): readonly Told[] {
    const lines = (this.#rest + this.#decoder.decode(chunk, { stream: true })).split('\n')
    this.#rest = lines.pop() ?? ''
    return lines.map(toldOf)
  }
}
