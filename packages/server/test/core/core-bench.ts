import { limits, defaultKeep } from '@fanfare/wire'
import type { FanfareError, Gap, Limits, Rule, Runtime } from '@fanfare/wire'
import { createNode } from '../../src/core/node.ts'
import type { Form } from '../../src/core/form.ts'
import type { FanfareNode } from '../../src/core/node-contract.ts'
import type { ReceiveRequest } from '../../src/core/receive.ts'
import type { Receiver, Run, Sink } from '../../src/core/sink.ts'
import { SmallEngine, mark } from './small-engine.ts'

export const lineForm: Form = {
  key: 'line',
  encode(out, publication, context) {
    out.utf8(`${publication.channel}:${publication.offset}=`)
    out.raw(publication.data)
    out.ascii(`@${context.cursor.slice(21)} `)
  },
}

/** Time that only the test moves; later turns that the test runs. */
export class ManualRuntime implements Runtime {
  #now = 1_000_000
  #turns: (() => void)[] = []
  #timers: { at: number; call: () => void }[] = []

  get timers(): number {
    return this.#timers.length
  }

  now = (): number => this.#now
  monotonic = (): number => this.#now

  after(ms: number, call: () => void): () => void {
    const timer = { at: this.#now + ms, call }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer)
    }
  }

  soon(call: () => void): void {
    this.#turns.push(call)
  }

  random(count: number): Uint8Array {
    return new Uint8Array(count)
  }

  /** Runs microtasks and turns until nothing is left to do. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 3; quiet++) {
      for (let i = 0; i < 20; i++) await Promise.resolve()
      const turns = this.#turns
      this.#turns = []
      if (turns.length > 0) quiet = 0
      for (const turn of turns) turn()
    }
  }

  async pass(ms: number): Promise<void> {
    const until = this.#now + ms
    for (;;) {
      const next = this.#timers.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0]
      if (next === undefined) break
      this.#now = next.at
      this.#timers = this.#timers.filter((timer) => timer !== next)
      next.call()
      await this.settle()
    }
    this.#now = until
    await this.settle()
  }
}

/** Writes down what core calls, as readable words. */
export class NotingSink implements Sink {
  full = false
  most = Number.POSITIVE_INFINITY
  readonly notes: string[] = []
  readonly buffers: Uint8Array[] = []

  begin(place: number, gaps: readonly Gap[]): void {
    this.notes.push(`begin ${place}${gaps.map((gap) => ` ${describe(gap)}`).join('')}`)
  }

  write(bytes: Uint8Array, run: Run): void {
    this.buffers.push(bytes)
    this.notes.push(`${new TextDecoder().decode(bytes).trim()} -> ${run.place}`)
  }

  gap(gap: Gap): void {
    this.notes.push(`gap ${describe(gap)}`)
  }

  mark(place: number): void {
    this.notes.push(`mark ${place}`)
  }

  finish(place: number, more: boolean): void {
    this.notes.push(`finish ${place}${more ? ' more' : ''}`)
  }

  stop(gap: Gap): void {
    this.notes.push(`stop ${describe(gap)}`)
  }

  fail(error: FanfareError): void {
    this.notes.push(`fail ${error.code}`)
  }

  park(): void {
    this.notes.push('park')
  }

  /** What was noted since the last look. */
  take(): string[] {
    return this.notes.splice(0)
  }
}

function describe({ channel, reason, missed, at }: Gap): string {
  return `(${channel} ${reason} missed ${missed} at ${at.slice(21)})`
}

export interface Bench {
  readonly engine: SmallEngine
  readonly runtime: ManualRuntime
  readonly node: FanfareNode
  readonly publish: (channel: string, ...texts: string[]) => Promise<void>
  readonly receive: (request: Partial<Omit<ReceiveRequest, 'channels'>> & { channels?: readonly string[] }) => {
    sink: NotingSink
    receiver: Receiver
  }
}

export const everything: Rule = { match: '**', keep: { ...defaultKeep, publications: null }, payloadBytes: 1000, public: false }

export async function newBench(options: { keep?: number; limits?: Partial<Limits>; engine?: SmallEngine } = {}): Promise<Bench> {
  const engine = options.engine ?? new SmallEngine()
  if (options.keep !== undefined) engine.keep = options.keep
  const runtime = new ManualRuntime()
  const rule: Rule = { ...everything, keep: { ...everything.keep, publications: options.keep ?? null } }
  const node = await createNode({ engine, runtime, rules: [rule], limits: { ...limits, ...options.limits } })
  return {
    engine,
    runtime,
    node,
    async publish(channel, ...texts) {
      for (const text of texts) await node.publish(channel, { data: new TextEncoder().encode(text), format: 'text' })
      await runtime.settle()
    },
    receive(request) {
      const sink = new NotingSink()
      const channels = (request.channels ?? ['a']).map((channel) => ({ channel }))
      const receiver = node.receive(
        { since: { at: 'latest' }, form: lineForm, reach: 'endless', onGap: 'continue', ...request, channels },
        sink,
      )
      return { sink, receiver }
    },
  }
}

export function since(seq: number): { at: 'cursor'; cursor: { mark: string; seq: number } } {
  return { at: 'cursor', cursor: { mark, seq } }
}
