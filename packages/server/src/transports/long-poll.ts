import { answerPoll, jsonAnswer } from './poll.ts'
import type { Ground, Transport } from './transport.ts'

/** Named without a wait. */
const defaultWaitMs = 25_000

/** An answer with the first publications, or empty after the wait. */
export function longPoll(ground: Ground): Transport {
  const look = jsonAnswer('long-poll')
  return {
    name: 'long-poll',
    receive(call) {
      const waitMs = Math.min(call.question.waitMs ?? defaultWaitMs, ground.limits.pollWaitMs)
      answerPoll(ground, call, look, waitMs)
    },
  }
}
