/** A client of one transport, written from CONTRACT alone. What it is told comes out in order. */
export interface ReceiverRow {
  readonly name: string
  /** The transport or protocol that it is of, by the name of CONTRACT section 1. */
  readonly transport: string
  /** A plain WebSocket carries none: it may begin at a cursor and gives none back. */
  readonly carriesCursor: boolean
  /** Publications come with channel and offset, and byte for byte. */
  readonly carriesEnvelope: boolean
  /** Each channel has a cursor of its own. */
  readonly movesByChannel: boolean
  /** Can begin each channel at a place of its own. */
  readonly beginsByChannel: boolean
  /** JSON comes as a script writes it: `< > & '`, U+2028 and U+2029 in its strings are escaped. */
  readonly comesInScripts?: true
  open(url: string, ask: Ask): Receiving
}

/** What to receive, and from where. */
export interface Ask {
  readonly channels: readonly string[]
  /** A token, `earliest` or `latest`. */
  readonly since?: string | undefined
  /** A place of its own for a channel. */
  readonly sinceOf?: ReadonlyMap<string, string> | undefined
  readonly last?: number | undefined
  readonly onGap?: 'latest' | 'stop' | undefined
  /** Further parameters as they stand: a transport's own, and wrong ones. */
  readonly words?: Readonly<Record<string, string>> | undefined
  /** Further header fields. */
  readonly headers?: Readonly<Record<string, string>> | undefined
}

export interface Receiving {
  /** The next thing told; after `end` always `end`. */
  next(): Promise<Told>
  /** Destroys the connection without a word. */
  cut(): void
}

export type Told = ToldPublication | ToldCursor | ToldGap | ToldEnd

export interface ToldPublication {
  readonly kind: 'publication'
  readonly channel: string
  /** The payload; JSON as it stood in the envelope or line. */
  readonly data: Uint8Array
  readonly cursor?: string | undefined
  readonly offset?: number | undefined
  readonly time?: number | undefined
  readonly event?: string | undefined
  readonly id?: string | undefined
  readonly type?: string | undefined
}

/** An opening cursor, a heartbeat, or the cursor of an answer. */
export interface ToldCursor {
  readonly kind: 'cursor'
  readonly cursor: string
  /** Where the cursor is one channel's. */
  readonly channel?: string | undefined
}

export interface ToldGap {
  readonly kind: 'gap'
  readonly gap: GapNotice
}

export interface GapNotice {
  readonly channel: string
  readonly reason: string
  readonly missed: number | null
  readonly at: string
}

/** `code` is a status of HTTP or the code of a WebSocket's close; 0 where the connection broke. */
export interface ToldEnd {
  readonly kind: 'end'
  readonly code: number
  /** A problem document, where that is what came. */
  readonly reason: string
  /** Told within an answer of status 200. */
  readonly inAnswer?: true
}

/** What was told and not yet asked for. */
export class ToldQueue implements Receiving {
  readonly #told: Told[] = []
  #end: ToldEnd | undefined
  #wake: () => void = () => {}
  readonly #cut: () => void

  constructor(cut: () => void) {
    this.#cut = cut
  }

  push(told: Told): void {
    if (this.#end !== undefined) return
    if (told.kind === 'end') this.#end = told
    else this.#told.push(told)
    this.#wake()
  }

  async next(): Promise<Told> {
    for (;;) {
      const told = this.#told.shift() ?? this.#end
      if (told !== undefined) return told
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }

  /** What has arrived but was not taken is lost, as with a page that goes away. */
  cut(): void {
    this.#told.length = 0
    this.push({ kind: 'end', code: 0, reason: 'cut' })
    this.#cut()
  }
}
