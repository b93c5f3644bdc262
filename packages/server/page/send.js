import { problemOf } from './streams.js'

/** So long a publication is tried; the server remembers its key for five minutes. */
const patienceMs = 60_000
/** More than a long poll lasts: it may hold the connection that the browser waits for. */
const answerMs = 30_000
const firstPauseMs = 500
const longestPauseMs = 4000
/** Refusals of 500 and above that leave nothing behind. After all others nobody knows. */
const leaveNothing = new Set(['draining', 'overloaded', 'storage-full', 'channels-full'])

/**
 * Publishes once, however often it has to ask: who gets no answer doesn't know whether the message arrived, and asks again with the same key. Resolves with
 * what is answered; rejects with what is to be said.
 */
export async function send(address, { headers, body }, key, say) {
  const request = { method: 'POST', headers: { ...headers, 'Idempotency-Key': key }, body }
  const begun = performance.now()
  let mayBeThere = false
  say('sending…')
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(longestPauseMs, 2 * pauseMs)) {
    const answer = await ask(address, request)
    const ms = performance.now() - begun
    if (answer.result !== undefined) return { ...answer, ms }
    mayBeThere ||= answer.unknown
    if (!answer.again || ms + pauseMs > patienceMs)
      throw new Error(mayBeThere ? `${answer.message}: it may have been published` : `not published: ${answer.message}`)
    say(answer.unknown ? 'no answer yet, trying again' : `trying again: ${answer.message}`)
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
  }
}

/** An answer that is cut in its body is none. */
async function ask(address, request) {
  try {
    const response = await fetch(address, { ...request, signal: AbortSignal.timeout(answerMs) })
    const { ok, status } = response
    if (ok) return { status, result: await response.json() }
    const { code, message } = await problemOf(response)
    const unknown = status >= 500 && !leaveNothing.has(code)
    return { message, unknown, again: unknown || status === 429 || status === 503 }
  } catch {
    return { message: 'no answer', unknown: true, again: true }
  }
}
