import type { ByteWriter, Publication } from '@fanfare/wire'

/**
 * How a publication looks to a kind of receivers. Protocols make forms. The bytes carry their own framing (chunk header, frame header, line end, trailing
 * comma), so that joining them is concatenation and no transport frames at delivery. Encoded once for all receivers with the same `key`.
 */
export interface Form {
  /** Same key, same bytes. Never holds anything of one receiver. */
  readonly key: string
  encode(out: ByteWriter, publication: Publication, context: FormContext): void
}

export interface FormContext {
  /** Token of the publication's place. */
  readonly cursor: string
  /** The channel's name as a JSON string, made once a hub. */
  readonly channelJson: string
}
