import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import {
  ByteWriter,
  cursorMessage,
  encodeUtf8,
  errorMessage,
  FanfareError,
  gapMessage,
  scriptFrame,
  writeScript,
  writeScriptPage,
} from '@fanfare/wire'
import type { ScriptFrame, ScriptTarget } from '@fanfare/wire'
import type { Form } from '../core/form.ts'
import { answerStream, streamFields } from './stream-sink.ts'
import type { StreamWords } from './stream-sink.ts'
import type { Ground, Question, Refusing, Transport } from './transport.ts'

/** A document without end in a frame of the page; each publication is a script in it (docs/decisions/0006-script-transports.md). */
export function iframe(ground: Ground): Transport {
  const documents = new Documents(ground)
  return {
    name: 'iframe',
    script: true,
    receive(call) {
      const shared = documents.of(call.question)
      if (!documents.open(shared, call.req.socket)) return call.refuse(tooManyTargets)
      answerStream(ground, call, shared.words, shared.form)
    },
    refuse: (refusing) => refuseIframe(documents.of(refusing.question).words, refusing),
  }
}

/** What a frame holds is seen by its page only if it says it itself. */
function refuseIframe(words: FrameWords, { res, headers, error, afterMs }: Refusing): boolean {
  const out = new ByteWriter(4096)
  writeScriptPage(out)
  words.say(out, errorMessage(error, error.retry ? afterMs : undefined))
  res.writeHead(200, [...headers, ...words.fields, ...streamFields])
  res.end(out.slice())
  return true
}

/** What all documents with one target have in common, so that the bytes of their publications are the same. */
interface Shared {
  readonly words: FrameWords
  readonly form: (chunked: boolean) => Form
  /** Documents that are open. */
  count: number
}

const tooManyTargets = new FanfareError('overloaded', 'frames are open for too many different callbacks and origins')

/**
 * Clients choose the targets, and every publication is encoded for each that is in use: so many may be (`limits.frameTargets`), and no more than so many are
 * remembered.
 */
class Documents {
  readonly #ground: Ground
  readonly #targets = new Map<string, Shared>()
  #inUse = 0

  constructor(ground: Ground) {
    this.#ground = ground
  }

  /** The one that was not asked for the longest makes room; who asks for it again gets another nonce, and so another form. */
  of(question: Question): Shared {
    const target: ScriptTarget =
      question.targetOrigin === undefined ? { callback: question.callback ?? 'callback' } : { origin: question.targetOrigin }
    const key = JSON.stringify(target)
    const shared = this.#targets.get(key) ?? this.#make(target)
    this.#targets.delete(key)
    this.#targets.set(key, shared)
    const [oldest] = this.#targets.keys()
    if (this.#targets.size > this.#ground.limits.frameTargets && oldest !== undefined) this.#targets.delete(oldest)
    return shared
  }

  /** Counts a document until its connection is over; false where it would be one target too many. */
  open(shared: Shared, socket: Socket): boolean {
    if (shared.count === 0) {
      if (this.#inUse >= this.#ground.limits.frameTargets) return false
      this.#inUse++
    }
    shared.count++
    socket.once('close', () => {
      if (--shared.count === 0) this.#inUse--
    })
    return true
  }

  #make(target: ScriptTarget): Shared {
    const nonce = randomBytes(18).toString('base64url')
    const frame = scriptFrame(nonce, target)
    const { script } = this.#ground.forms
    const [bare, chunked] = [script(frame, false), script(frame, true)]
    return { words: frameWords(frame, policy(nonce, target)), form: (inChunks) => (inChunks ? chunked : bare), count: 0 }
  }
}

/** Nothing runs but scripts that bear the nonce, nothing is loaded, and a page that may be called is one of this origin, all around it too. */
function policy(nonce: string, target: ScriptTarget): string {
  const rules = ["default-src 'none'", `script-src 'nonce-${nonce}'`, "base-uri 'none'", "form-action 'none'"]
  return ('callback' in target ? [...rules, "frame-ancestors 'self'"] : rules).join('; ')
}

interface FrameWords extends StreamWords {
  readonly say: (out: ByteWriter, json: string) => void
}

function frameWords(frame: ScriptFrame, contentSecurityPolicy: string): FrameWords {
  const say = (out: ByteWriter, json: string): void => writeScript(out, frame, encodeUtf8(json))
  return {
    transport: 'iframe',
    fields: [
      'Content-Type',
      'text/html; charset=utf-8',
      'Content-Security-Policy',
      contentSecurityPolicy,
      'Referrer-Policy',
      'no-referrer',
    ],
    say,
    begin(out, cursor, gaps) {
      writeScriptPage(out)
      for (const gap of gaps) say(out, gapMessage(gap))
      say(out, cursorMessage(cursor))
    },
    gap: (out, gap) => say(out, gapMessage(gap)),
    mark: (out, cursor) => say(out, cursorMessage(cursor)),
    stop: (out, gap) => say(out, gapMessage(gap)),
    fail: (out, error) => say(out, errorMessage(error)),
    leave: (out, afterMs) => say(out, errorMessage(new FanfareError('draining', 'the server goes down; come again'), afterMs)),
  }
}
