import type { FanfareError, Gap } from '@fanfare/wire'

/** Where runs go. */
export interface Outlet {
  /** What the last write answered: no more now. Core looks before each delivery; where true the receiver parks with its place unmoved. */
  readonly full: boolean
  /** Joined bytes of one or more publications in the receiver's form. The same object is given to all who share it; never change it. */
  write(bytes: Uint8Array, run: Run): void
}

/**
 * A sink is where the bytes of one receiver go: a socket, a part of one (each subscription of `fanfare.v1`), or an answer that is being collected.
 * Transports make sinks; core calls them. A sink calls its receiver back only from a later turn, never from inside a call of core's.
 *
 * A sink doesn't throw: what happens to its socket comes as events. One that does all the same is closed and told by `fail`; no other receiver feels it.
 *
 * Order of calls: `begin` once; then `write`, `gap` and `mark` in any order; at last `finish`, `stop` or `fail`, or nothing where the transport closes.
 */
export interface Sink extends Outlet {
  /**
   * What is behind the sink, where it only hands runs on: who moves many receivers may write there and pass the sink by. Of a thousand cold sinks each costs
   * more than what it does.
   */
  readonly outlet?: Outlet | undefined
  /** Bytes that it takes at once; a run is cut to it (but one publication always passes). Infinity for sockets. */
  readonly most: number
  /** Where the receiver begins, and the gaps that lie before it: they come first on the wire and carry no newer cursor. */
  begin(place: number, gaps: readonly Gap[]): void
  /** A gap that comes up after `begin`; what is written next comes after it. */
  gap(gap: Gap): void
  /** A heartbeat: the receiver has everything up to there. */
  mark(place: number): void
  /** Only where the receiver's reach has an end: the answer is complete. `place` is the place of the answer; `more`: ask again at once. */
  finish(place: number, more: boolean): void
  /** `onGap: stop`: the receiver ends with this gap. Before `begin` where nothing was sent yet. */
  stop(gap: Gap): void
  /** The receiver can't go on (the engine failed, or the request was wrong in a way that only the engine knows). Its cursor stays good. */
  fail(error: FanfareError): void
  /** The receiver waits for `drained()`. Called once until then. */
  park(): void
}

/** What was written: the place reached, and how many publications. One object for all writes: read it, do not keep it. */
export interface Run {
  readonly place: number
  readonly count: number
}

/** What a sink may ask of its receiver. All are harmless after the end. */
export interface Receiver {
  /** Everything up to here was handed to the sink, or is told as a gap. */
  readonly place: number
  /** There is room again: go on. */
  drained(): void
  /** The wait of a held answer is over: `finish` with what there is, at once or as soon as its facts are there. */
  expire(): void
  /** Idle for a while: calls `mark` if the receiver is open, has everything and the sink is not full. */
  beat(): void
  /** The transport is gone. Nothing is called any more. */
  close(): void
}
