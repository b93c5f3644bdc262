import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isProblem, limits, reconnectDelayMs } from '@fanfare/wire'
import type { Gap, GapReason } from '@fanfare/wire'
import { CursorFile, fileTrouble, readCursorFile } from './cursor-file.ts'
import { exitCodes, misused } from './exit.ts'
import { httpClient } from './http-client.ts'
import { isTerminal, say } from './io.ts'
import type { Io } from './io.ts'
import type { ReceivingTransport } from './options.ts'
import { payloadOf } from './payload.ts'
import { Printer } from './printer.ts'
import { receiveMultipart } from './receive/multipart.ts'
import { receiveLongPoll, receivePoll } from './receive/poll.ts'
import type { Receive, Received } from './receive/receive.ts'
import { receiveSse } from './receive/sse.ts'
import { receiveStream } from './receive/stream.ts'
import { receiveWebSocket } from './receive/websocket.ts'
import type { Settings } from './settings.ts'
import { parseChannel } from './words.ts'

const transports: Readonly<Record<ReceivingTransport, Receive>> = {
  sse: receiveSse,
  stream: receiveStream,
  websocket: receiveWebSocket,
  'long-poll': receiveLongPoll,
  poll: receivePoll,
  multipart: receiveMultipart,
}

/** `fanfare subscribe`: prints what is published until it is ended. */
export async function runSubscribe(settings: Settings, rest: readonly string[], io: Io): Promise<number> {
  if (rest.length === 0) return misused(io, 'subscribe needs a channel: fanfare subscribe CHANNEL...')
  if (rest.length > limits.channelsPerResponse) return misused(io, `subscribe takes at most ${limits.channelsPerResponse} channels`)
  const channels: string[] = []
  for (const word of new Set(rest)) {
    const channel = parseChannel(word)
    if (isProblem(channel)) return misused(io, channel.problem)
    channels.push(channel)
  }
  const path = settings.get('cursor-file')
  const file = path === undefined ? undefined : resolve(io.directory, path)
  const kept = file === undefined ? undefined : await readCursorFile(file)
  if (isProblem(kept)) {
    say(io.stderr, kept.problem)
    return exitCodes.failed
  }
  return new SubscribeCall(settings, channels, file, io).run(kept)
}

class SubscribeCall {
  readonly #settings: Settings
  readonly #channels: readonly string[]
  readonly #io: Io
  readonly #stop = new AbortController()
  readonly #printer: Printer
  readonly #file: CursorFile | undefined
  readonly #json: boolean
  #cursor: string | undefined
  #failures = 0
  #lost = false
  #heard = false
  #code: number = exitCodes.well

  constructor(settings: Settings, channels: readonly string[], file: string | undefined, io: Io) {
    this.#settings = settings
    this.#channels = channels
    this.#io = io
    this.#json = settings.value('json')
    this.#file =
      file === undefined ? undefined : new CursorFile(file, (error) => this.#fail(`the cursor can't be kept: ${fileTrouble(file, error)}`))
    this.#printer = new Printer({
      stream: io.stdout,
      onPrinted: (cursor) => this.#file?.save(cursor),
      onBroken: (error) => this.#outputBroken(error),
    })
  }

  async run(kept: string | undefined): Promise<number> {
    this.#cursor = kept
    const silence = this.#io.onEnd(() => this.#stop.abort())
    const client = httpClient(this.#settings.value('url'))
    try {
      await this.#receiveAll((begin) =>
        transports[this.#settings.value('transport')]({
          url: this.#settings.value('url'),
          client,
          channels: this.#channels,
          begin,
          failures: this.#failures,
          take: (received) => this.#take(received),
          signal: this.#stop.signal,
        }),
      )
    } finally {
      client.close()
      await this.#printer.flush()
      await this.#file?.settled()
      silence()
    }
    return this.#code
  }

  /** Connection after connection, each from where the last one stopped. */
  async #receiveAll(connect: (begin: Readonly<Record<string, string>>) => ReturnType<Receive>): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      const ended = await connect(this.#begin())
      if (signal.aborted) return
      if (ended.kind === 'refused' || (ended.lasting === true && !this.#heard)) return this.#fail(ended.why)
      if (!this.#lost) say(this.#io.stderr, `${ended.why}; connecting again`)
      this.#lost = true
      const delayMs = reconnectDelayMs({
        attempt: this.#failures++,
        random: Math.random(),
        baseMs: ended.baseMs ?? 500,
        mostMs: 10_000,
        afterMs: ended.afterMs,
      })
      await sleep(delayMs, undefined, { signal }).catch(() => undefined)
    }
  }

  #begin(): Readonly<Record<string, string>> {
    if (this.#cursor !== undefined) return { since: this.#cursor }
    const since = this.#settings.get('since')
    const last = this.#settings.get('last')
    return { ...(since === undefined ? {} : { since }), ...(last === undefined ? {} : { last: String(last) }) }
  }

  #take(received: Received): Promise<void> | undefined {
    switch (received.kind) {
      case 'opened':
        if (this.#lost) say(this.#io.stderr, 'connected again')
        else if (!this.#heard && isTerminal(this.#io.stderr)) say(this.#io.stderr, `listening to ${this.#channels.join(', ')}`)
        this.#heard = true
        this.#lost = false
        this.#failures = 0
        return undefined
      case 'gap':
        say(this.#io.stderr, gapText(received.gap))
        return undefined
      case 'place':
        this.#cursor = received.cursor
        return this.#printer.print(undefined, received.cursor)
      case 'publication':
        this.#cursor = received.cursor
        return this.#printer.print(this.#json ? received.bytes : (payloadOf(received.bytes) ?? received.bytes), received.cursor)
      default:
        return received satisfies never
    }
  }

  /** A reader that has had enough, such as `head`, is no failure. */
  #outputBroken(error: Error): void {
    if ('code' in error && error.code === 'EPIPE') this.#stop.abort()
    else this.#fail(`what was received can't be printed: ${error.message}`)
  }

  #fail(text: string): void {
    say(this.#io.stderr, text)
    this.#code = exitCodes.failed
    this.#stop.abort()
  }
}

const gapCauses: Readonly<Record<GapReason, string>> = {
  trimmed: 'the keep of its rule holds no older ones',
  deleted: 'they were deleted',
  diverged: 'the server was put back to an older copy of its store',
  'new-log': 'the server has another store now',
}

function gapText(gap: Gap): string {
  const missed =
    gap.missed === null
      ? 'publications are missing, how many is not known'
      : gap.missed === 1
        ? '1 publication is missing'
        : `${gap.missed} publications are missing`
  return `gap in ${gap.channel}: ${missed} (${gap.reason}: ${gapCauses[gap.reason]})`
}
