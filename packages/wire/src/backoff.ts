/** When to connect again. */
export interface Reconnect {
  /** Failed attempts since the last success, from 0. */
  readonly attempt: number
  /** From 0 (included) to 1 (not). */
  readonly random: number
  /** The server's `retry`, or the client's own; default 1 s. */
  readonly baseMs?: number | undefined
  /** Longest delay of the client's own; default 30 s. */
  readonly mostMs?: number | undefined
  /** What the server asked for when it closed (`after`) or refused (`Retry-After`): never sooner, and spread over the half of it again. */
  readonly afterMs?: number | undefined
}

/** Milliseconds to wait: full jitter over an exponential range, so that a thousand clients of a server that restarts don't come as one. */
export function reconnectDelayMs(reconnect: Reconnect): number {
  const most = reconnect.mostMs ?? 30_000
  const range = Math.min(most, (reconnect.baseMs ?? 1000) * 2 ** Math.min(reconnect.attempt, 30))
  const own = Math.floor(reconnect.random * range)
  if (reconnect.afterMs === undefined) return own
  return Math.max(own, Math.floor(reconnect.afterMs * (1 + reconnect.random / 2)))
}
