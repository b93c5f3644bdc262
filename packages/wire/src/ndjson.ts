import type { ByteWriter } from './byte-writer.ts'
import { writeEnvelope } from './publication.ts'
import type { Publication } from './publication.ts'

const lineFeed = 0x0a

/** A publication as one line of JSON. It holds no line end: kept JSON has none between its tokens, and strings escape theirs. */
export function writeNdjsonPublication(out: ByteWriter, publication: Publication, channelJson: string, cursor: string): void {
  writeEnvelope(out, publication, channelJson, cursor)
  out.byte(lineFeed)
}

/** A line that is no publication: a place, a gap, an error. `json` is one of the messages of this package. */
export function writeNdjsonLine(out: ByteWriter, json: string): void {
  out.utf8(json)
  out.byte(lineFeed)
}
