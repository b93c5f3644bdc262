import { endOf } from './envelope.ts'
import { askHttp } from './http.ts'
import { openPolls } from './poll.ts'
import type { PollAnswered } from './poll.ts'
import type { ReceiverRow } from './receiver.ts'
import { rawMembers } from './raw-json.ts'
import { jsonOfScript } from './script.ts'

/** Loads one script after the other; errors come as calls too. */
export const jsonpReceiver: ReceiverRow = jsonpRow('jsonp', {})

/** The same, held by the server until there is something. */
export const heldJsonpReceiver: ReceiverRow = jsonpRow('jsonp with wait', { wait: '1' })

const callback = '$jsonp_1.cb'

function jsonpRow(name: string, words: Readonly<Record<string, string>>): ReceiverRow {
  const row = {
    name,
    transport: 'jsonp',
    carriesCursor: true,
    carriesEnvelope: true,
    movesByChannel: false,
    beginsByChannel: true,
    comesInScripts: true as const,
  }
  return { ...row, open: (url, ask) => openPolls(url, ask, 'jsonp', { ...words, callback }, answerOf) }
}

const answerOf = async (...question: Parameters<typeof askHttp>): Promise<PollAnswered> => {
  const answer = await askHttp(...question)
  if (answer.status !== 200) return answer
  const { text, headers } = answer
  const head = `/**/${callback}(`
  if (!/^application\/javascript; charset=utf-8$/i.test(headers['content-type'] ?? '') || headers['x-content-type-options'] !== 'nosniff')
    throw new SyntaxError(`content type ${headers['content-type']}`)
  if (!text.startsWith(head) || !text.endsWith(')')) throw new SyntaxError(`not one call: ${text.slice(0, 200)}`)
  const json = jsonOfScript(text.slice(head.length, -1))
  const error = rawMembers(json).get('error')
  return error === undefined ? { ...answer, text: json } : { ...answer, told: endOf(error) }
}
