import { pollAnswerOf } from './envelope.ts'
import { askedOf, askHttp, endOfRefusal } from './http.ts'
import type { Answer } from './http.ts'
import { ToldQueue } from './receiver.ts'
import type { Ask, Receiving, ReceiverRow, ToldEnd } from './receiver.ts'

/** Asks again and again, a few milliseconds after an empty answer. */
export const pollReceiver: ReceiverRow = pollRow('poll', {})

/** Asks again at once: the server holds the question. */
export const longPollReceiver: ReceiverRow = pollRow('long-poll', { wait: '1' })

function pollRow(name: string, words: Readonly<Record<string, string>>): ReceiverRow {
  const row = { name, transport: name, carriesCursor: true, carriesEnvelope: true, movesByChannel: false, beginsByChannel: true }
  return { ...row, open: (url, ask) => openPolls(url, ask, name, words, askHttp) }
}

/** An answer that may say within itself that there is none. */
export interface PollAnswered extends Answer {
  readonly told?: ToldEnd
}

type AnswerOf = (...question: Parameters<typeof askHttp>) => Promise<PollAnswered>

/** Asks by `answerOf` again and again. */
export function openPolls(url: string, ask: Ask, name: string, words: Readonly<Record<string, string>>, answerOf: AnswerOf): Receiving {
  const abort = new AbortController()
  const queue = new ToldQueue(() => abort.abort())
  const asks = async (each: Ask): Promise<PollAnswered> => await answerOf(url, askedOf(each, name, words), abort.signal)
  void poll(asks, ask, queue, abort.signal)
  return queue
}

async function poll(asks: (ask: Ask) => Promise<PollAnswered>, first: Ask, queue: ToldQueue, signal: AbortSignal): Promise<void> {
  try {
    for (let ask = first; !signal.aborted;) {
      const answer = await asks(ask)
      if (answer.told !== undefined) return queue.push(answer.told)
      if (answer.status !== 200) return queue.push(endOfRefusal(answer.status, answer.headers, answer.body))
      const { cursor, publications, more, gaps } = pollAnswerOf(answer.text)
      if (answer.headers['fanfare-cursor'] !== cursor)
        return queue.push({ kind: 'end', code: 0, reason: `Fanfare-Cursor ${String(answer.headers['fanfare-cursor'])} beside ${cursor}` })
      for (const gap of gaps) queue.push({ kind: 'gap', gap })
      for (const publication of publications) queue.push(publication)
      queue.push({ kind: 'cursor', cursor })
      const { last: _, ...rest } = ask
      ask = { ...rest, since: cursor }
      if (!more && publications.length === 0 && gaps.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    }
  } catch (error) {
    queue.push({ kind: 'end', code: 0, reason: String(error) })
  }
}
