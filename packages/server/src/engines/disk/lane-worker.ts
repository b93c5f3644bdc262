import type { MessagePort } from 'node:worker_threads'
import type { LaneReply } from './lane.ts'

/** The thread's side of a lane whose questions are answered at once. */
export function serveLane<Question, Answer>(port: MessagePort, handle: (question: Question) => Answer): void {
  port.on('message', ({ number, question }: { number: number; question: Question }) =>
    port.postMessage(replyTo(number, () => handle(question))),
  )
}

export function replyTo<Answer>(number: number, answer: () => Answer): LaneReply<Answer> {
  try {
    return { number, answer: answer() }
  } catch (error) {
    return { number, error: { message: (error as Error).message, code: (error as NodeJS.ErrnoException).code } }
  }
}
