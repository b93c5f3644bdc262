import type { ServerResponse } from 'node:http'
import { FanfareError, pollAnswer, preferenceApplied, scriptJson, withGap } from '@fanfare/wire'
import type { Gap, ScriptFrame } from '@fanfare/wire'
import type { Receiver, Run, Sink } from '../core/sink.ts'
import type { Held } from './held.ts'
import type { TransportName } from './names.ts'
import type { Ground, ReceiveCall, Transport } from './transport.ts'
import { receiveRequest } from './transport.ts'
import { Backlog } from './socket-writer.ts'
import type { Timed, WheelTimer } from './wheel.ts'

/** One answer with what there is, at once. */
export function poll(ground: Ground): Transport {
  const look = jsonAnswer('poll')
  return { name: 'poll', receive: (call) => answerPoll(ground, call, look, 0) }
}

/** How an answer looks on a transport. */
export interface AnswerLook {
  readonly transport: TransportName
  /** Media type. */
  readonly type: string
  /** What stands around the JSON, which is script then. */
  readonly frame?: ScriptFrame
}

export function jsonAnswer(transport: TransportName): AnswerLook {
  return { transport, type: 'application/json' }
}

/** Collects an answer; `waitMs` 0 doesn't wait for a first publication. */
export function answerPoll(ground: Ground, call: ReceiveCall, look: AnswerLook, waitMs: number): void {
  if (ground.flow.crowded) return call.refuse(new FanfareError('overloaded', 'too much waits for slow clients'))
  const sink = new PollSink(ground, call, look)
  const most = { publications: call.question.limit, bytes: ground.limits.pollBytes - answerOverheadBytes }
  sink.receiver = ground.node.receive(receiveRequest(call.question, ground.forms.entry, waitMs > 0 ? 'first' : 'head', most), sink)
  if (waitMs > 0) sink.wait(waitMs)
}

/** What is around the publications: cursor, names, and 64 gaps of the longest channel names. */
const answerOverheadBytes = 64 * 1024

class PollSink implements Sink, Held, Timed {
  readonly full = false
  readonly most = Number.POSITIVE_INFINITY
  readonly transport: TransportName
  receiver: Receiver | undefined
  readonly #look: AnswerLook
  readonly #ground: Ground
  readonly #call: ReceiveCall
  readonly #entries: Uint8Array[] = []
  #gaps: readonly Gap[] = []
  #timer: WheelTimer | undefined
  /** Of an answer that its client is slow to take. */
  #backlog: Backlog | undefined
  #answered = false

  constructor(ground: Ground, call: ReceiveCall, look: AnswerLook) {
    this.#ground = ground
    this.#call = call
    this.#look = look
    this.transport = look.transport
    ground.held.add(this)
    call.res.on('close', () => this.#gone())
  }

  wait(ms: number): void {
    this.#timer = this.#ground.wheel.timer(this)
    this.#timer.start(ms)
  }

  begin(_place: number, gaps: readonly Gap[]): void {
    this.#gaps = gaps
  }

  write(bytes: Uint8Array, _run: Run): void {
    this.#entries.push(bytes)
  }

  gap(gap: Gap): void {
    this.#gaps = withGap(this.#gaps, gap)
  }

  mark(): void {
    // A poll's place is said once, in `finish`.
  }

  finish(place: number, more: boolean): void {
    const { res, question, headers } = this.#call
    if (!this.#settle()) return
    const cursor = this.#ground.node.token(place)
    const { type, frame } = this.#look
    const json = sharedAnswer(this.#entries, cursor, more, this.#gaps)
    const body = frame === undefined ? json : sharedScript(json)
    const length = body.length + (frame === undefined ? 0 : frame.head.length + frame.tail.length)
    const fields = [...headers, 'Content-Type', type, 'Content-Length', String(length), 'Fanfare-Cursor', cursor]
    if (question.shareable && frame === undefined)
      fields.push('Cache-Control', 'public, max-age=1', 'Vary', 'Accept, Last-Event-ID, Prefer')
    else fields.push('Cache-Control', 'no-store')
    if (question.preferred && this.transport === 'long-poll') fields.push('Preference-Applied', preferenceApplied(question.waitMs ?? 0))
    if (this.#ground.held.leaving) res.shouldKeepAlive = false
    res.writeHead(200, fields)
    if (frame === undefined) res.end(body)
    else endFramed(res, frame, body)
    const { socket } = res
    if (socket === null || socket.writableLength === 0) return
    this.#backlog = new Backlog(socket, this.#ground.flow)
    this.#backlog.add(length)
  }

  stop(gap: Gap): void {
    if (this.#settle()) this.#call.refuse(new FanfareError('gap', `the place can not be continued: ${gap.reason}`, { extra: { gap } }))
  }

  fail(error: FanfareError): void {
    if (this.#settle()) this.#call.refuse(error)
  }

  park(): void {
    // Never full.
  }

  /** The wait is over. */
  onTime(): void {
    this.receiver?.expire()
  }

  leave(): void {
    this.receiver?.expire()
  }

  #settle(): boolean {
    if (this.#answered) return false
    this.#answered = true
    this.#timer?.stop()
    return true
  }

  #gone(): void {
    this.#settle()
    this.#backlog?.clear()
    this.#ground.held.remove(this)
    this.receiver?.close()
  }
}

interface Answer {
  readonly cursor: string
  readonly more: boolean
  readonly body: Uint8Array
}

/** Core gives all who wait alike the same bytes; they get the same answer around them. */
const answers = new WeakMap<Uint8Array, Answer>()

function sharedAnswer(entries: readonly Uint8Array[], cursor: string, more: boolean, gaps: readonly Gap[]): Uint8Array {
  const [only] = entries
  if (only === undefined || entries.length > 1 || gaps.length > 0) return pollAnswer({ cursor, entries, more, gaps })
  const known = answers.get(only)
  if (known !== undefined && known.cursor === cursor && known.more === more) return known.body
  // Node makes a Buffer of any other bytes that are written, for each socket anew.
  const body = Buffer.from(pollAnswer({ cursor, entries, more, gaps }).buffer)
  answers.set(only, { cursor, more, body })
  return body
}

/** The same answer as script: only what stands around it is the caller's own. */
const scripts = new WeakMap<Uint8Array, Uint8Array>()

function sharedScript(json: Uint8Array): Uint8Array {
  const known = scripts.get(json)
  if (known !== undefined) return known
  const script = Buffer.from(scriptJson(json).buffer)
  scripts.set(json, script)
  return script
}

/** In one write of three parts, the middle one of which is everybody's. */
function endFramed(res: ServerResponse, { head, tail }: ScriptFrame, body: Uint8Array): void {
  res.cork()
  res.write(head)
  res.write(body)
  res.end(tail)
}
