import type { LaneReply } from './lane.ts'

/** What a thread answers to a question; an error goes over as its message. */
export function replyTo<Answer>(number: number, answer: () => Answer): LaneReply<Answer> {
  try {
    return { number, answer: answer() }
  } catch (error) {
    return { number, error: { message: (error as Error).message, code: (error as NodeJS.ErrnoException).code } }
  }
}
