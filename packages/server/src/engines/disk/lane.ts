import { Worker } from 'node:worker_threads'

/** Questions to a thread of the store, answered in any order. */
export interface Lane<Question, Answer> {
  /** The thread runs, or is about to. */
  readonly started: boolean
  /** Starts the thread, where a question will come soon. A thread takes some 40 ms of CPU until it can answer. */
  start(): void
  ask(question: Question): Promise<Answer>
  /** Ends the thread; what it still owes is refused. Closing twice is closing once. */
  close(): Promise<void>
}

interface Waiting<Answer> {
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: Error) => void
}

/** What a thread posts back. */
export type LaneReply<Answer> =
  | { readonly number: number; readonly answer: Answer }
  | { readonly number: number; readonly error: { readonly message: string; readonly code: string | undefined } }

/** Workers can't run TypeScript: from `src/`, the built file of the same name is taken; it is started without the flags of this process (`execArgv`), which may lead back to `src/`. */
export function workerUrl(name: string): URL {
  return new URL(`./${name}.js`, import.meta.url.replace('/src/', '/dist/'))
}

/** A lane whose thread starts with the first question, or before it. It keeps the process alive only while it owes an answer. */
export function workerLane<Question, Answer>(name: string, workerData: unknown): Lane<Question, Answer> {
  const waiting = new Map<number, Waiting<Answer>>()
  let worker: Worker | undefined
  let number = 0
  let closed = false

  const fail = (error: Error) => {
    for (const { reject } of waiting.values()) reject(error)
    waiting.clear()
  }
  const begin = () => {
    const started = new Worker(workerUrl(name), {
      workerData,
      name: `fanfare-${name}`,
      execArgv: [],
      resourceLimits: { maxYoungGenerationSizeMb: 4 },
    })
    started.on('message', (reply: LaneReply<Answer>) => {
      const asked = waiting.get(reply.number)
      waiting.delete(reply.number)
      if (waiting.size === 0) started.unref()
      if ('error' in reply) asked?.reject(Object.assign(new Error(reply.error.message), { code: reply.error.code }))
      else asked?.resolve(reply.answer)
    })
    started.on('error', fail)
    started.on('exit', () => fail(new Error(`the thread ${name} of the store has ended`)))
    return started
  }
  return {
    get started() {
      return worker !== undefined
    },
    start() {
      if (worker !== undefined || closed) return
      worker = begin()
      worker.unref()
    },
    ask(question) {
      if (closed) return Promise.reject(new Error('the store is closed'))
      worker ??= begin()
      worker.ref()
      const own = ++number
      worker.postMessage({ number: own, question })
      return new Promise((resolve, reject) => waiting.set(own, { resolve, reject }))
    },
    async close() {
      closed = true
      await worker?.terminate()
    },
  }
}

/** The same on the event loop, for tests and simulated disks: an answer comes in a later turn. */
export function localLane<Question, Answer>(
  handle: (question: Question) => Answer,
  soon: (call: () => void) => void,
  end: () => void,
): Lane<Question, Answer> {
  let closed = false
  return {
    started: true,
    start: () => undefined,
    ask: (question) =>
      new Promise((resolve, reject) => {
        soon(() => {
          try {
            if (closed) throw new Error('the store is closed')
            resolve(handle(question))
          } catch (error) {
            reject(error)
          }
        })
      }),
    close() {
      if (!closed) end()
      closed = true
      return Promise.resolve()
    },
  }
}
