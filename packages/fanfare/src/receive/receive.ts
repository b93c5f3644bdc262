import type { Gap } from '@fanfare/wire'
import type { HttpClient } from '../http-client.ts'

/** Something that a receiver got, in the order it came. */
export type Received =
  /** The server answered: what follows is a stream, or an answer. */
  | { readonly kind: 'opened' }
  /** `bytes`: the publication as JSON, as it came. */
  | { readonly kind: 'publication'; readonly bytes: Uint8Array; readonly cursor: string }
  /** Everything up to here has come. */
  | { readonly kind: 'place'; readonly cursor: string }
  | { readonly kind: 'gap'; readonly gap: Gap }

/** How one connection, or one round of polls, came to its end. */
export type Ended =
  /** Another one may go on where it stopped; of no use where it is `lasting` and nothing was ever heard. */
  | {
      readonly kind: 'cut'
      readonly why: string
      readonly baseMs?: number | undefined
      readonly afterMs?: number | undefined
      readonly lasting?: boolean
    }
  /** Another one would be refused too. */
  | { readonly kind: 'refused'; readonly why: string }

export interface ReceiveOptions {
  readonly url: URL
  readonly client: HttpClient
  readonly channels: readonly string[]
  /** Where to begin: the parameters that say so. */
  readonly begin: Readonly<Record<string, string>>
  /** Connections before this one that brought nothing. */
  readonly failures: number
  /** A promise: come with no more until it is kept, what you brought isn't printed yet. */
  readonly take: (received: Received) => Promise<void> | undefined
  readonly signal: AbortSignal
}

/** A transport as a receiver uses it. Never rejects for what a server or a network can do. */
export type Receive = (options: ReceiveOptions) => Promise<Ended>
