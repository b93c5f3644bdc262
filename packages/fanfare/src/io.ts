import type { Readable, Writable } from 'node:stream'

/** What a command sees of its surroundings, so that tests can give it others. */
export interface Io {
  readonly stdin: Readable
  readonly stdout: Writable
  readonly stderr: Writable
  readonly env: Readonly<Record<string, string | undefined>>
  /** Relative paths are read from here. */
  readonly directory: string
  /** Calls back for every wish to end (SIGINT, SIGTERM); returns what stops it. */
  onEnd(call: (signal: string) => void): () => void
  /** Calls back for every SIGHUP, which then no longer ends the process; returns what stops it. */
  onHangUp(call: () => void): () => void
}

/** The surroundings of this process. */
export function processIo(): Io {
  const { stdin, stdout, stderr, env } = process
  return { stdin, stdout, stderr, env, directory: process.cwd(), onEnd: onEndSignals, onHangUp: onHangUpSignal }
}

// One Ctrl-C comes several times where the terminal, a shell and npm each pass it on.
const sameWishMs = 500

function onEndSignals(call: (signal: string) => void): () => void {
  const signals = ['SIGINT', 'SIGTERM'] as const
  let lastMs = -sameWishMs
  const listener = (signal: string): void => {
    const nowMs = performance.now()
    if (nowMs - lastMs < sameWishMs) return
    lastMs = nowMs
    call(signal)
  }
  for (const signal of signals) process.on(signal, listener)
  return () => {
    for (const signal of signals) process.off(signal, listener)
  }
}

function onHangUpSignal(call: () => void): () => void {
  process.on('SIGHUP', call)
  return () => void process.off('SIGHUP', call)
}

/** True where people read it themselves: then colour and progress are welcome. */
export function isTerminal(stream: Writable): boolean {
  return 'isTTY' in stream && stream.isTTY === true
}

/** A line to people, marked as the command's own. */
export function say(stream: Writable, text: string): void {
  stream.write(`fanfare: ${text}\n`)
}

/** Colour by ANSI codes, only on a terminal and where NO_COLOR doesn't forbid it. */
export function painter(stream: Writable, env: Io['env']): (code: number, text: string) => string {
  const colour = isTerminal(stream) && (env['NO_COLOR'] ?? '') === ''
  return (code, text) => (colour ? `\u001b[${code}m${text}\u001b[0m` : text)
}

/** What went wrong, without a stack where the message says it all. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error instanceof AggregateError && error.message === '') return messageOf(error.errors[0])
  return error.message
}
