/** How much of a channel is kept, whichever comes first; `null` lifts a limit. Bytes are those of the payloads. */
export interface Keep {
  readonly publications: number | null
  readonly ageMs: number | null
  readonly bytes: number | null
}

/** Options of the channels that match a pattern; the first rule whose pattern matches counts. */
export interface Rule {
  readonly match: string
  readonly keep: Keep
  readonly payloadBytes: number
  /** Polls of it may be cached and shared. */
  readonly public: boolean
}

export const defaultKeep: Keep = { publications: 10_000, ageMs: 24 * 3_600_000, bytes: 16 * 1024 * 1024 }
