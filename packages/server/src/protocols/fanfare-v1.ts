import {
  closeMessage,
  heartbeatMessage,
  errorReply,
  fanfareV1 as subprotocol,
  isProblem,
  okReply,
  parseCommands,
  publishedJson,
  readyMessage,
} from '@fanfare/wire'
import type { Command, CommandId, HistoryCommand, SubscribeCommand } from '@fanfare/wire'
import type { Published } from '../core/node-contract.ts'
import type { Form } from '../core/form.ts'
import { HistorySink } from './fanfare-v1-history.ts'
import { Subscription } from './fanfare-v1-subscription.ts'
import { messageForm } from './plain.ts'
import type { Conversation, Link, Protocol, ProtocolContext, Waiting } from './protocol.ts'
import { tellable } from './tellable.ts'
import { PublishQueue } from './publish-queue.ts'

/** Many channels, publish and history on one connection (CONTRACT section 6). */
export const fanfareV1: Protocol = {
  name: subprotocol,
  converse: (link, context) => new FanfareConversation(link, context),
}

interface Farewell {
  readonly code: number
  readonly reason: string
}

const goneAway = 1012
const badFrame = 4400

class FanfareConversation implements Conversation, Waiting {
  readonly #link: Link
  readonly #context: ProtocolContext
  readonly #form: Form
  readonly #queue: PublishQueue
  readonly #subscriptions = new Map<string, Subscription>()
  /** Commands of the frame at hand that have not begun. */
  readonly #waiting: Command[] = []
  #history: HistorySink | undefined
  #parked = false
  #held = false
  /** Subscriptions that have no answer yet. */
  #opening = 0
  #leaving = false
  /** Said once every command that has begun is answered. Nothing more is read from then on. */
  #farewell: Farewell | undefined
  #ended = false

  constructor(link: Link, context: ProtocolContext) {
    this.#link = link
    this.#context = context
    this.#form = messageForm(true, link.framing)
    this.#queue = new PublishQueue(link)
    link.send(readyMessage(context.nodeName, Math.ceil(context.limits.pingMs / 1000)))
  }

  message(data: Uint8Array, binary: boolean): void {
    if (this.#ended || this.#farewell !== undefined) return
    if (binary) return this.#part(badFrame, 'commands are text')
    const commands = parseCommands(data)
    if (isProblem(commands)) return this.#part(badFrame, commands.problem)
    this.#waiting.push(...commands)
    this.#work()
  }

  /** There is room again for answers. */
  drained(): void {
    this.#parked = false
    this.#work()
  }

  ending(done: () => void): void {
    this.#queue.whenQuiet(done)
  }

  /** One for the connection, and only while all its channels have everything: its cursor holds for each of them. */
  beat(): void {
    let place = Number.POSITIVE_INFINITY
    for (const subscription of this.#subscriptions.values()) place = Math.min(place, subscription.beat() ?? -1)
    if (place >= 0 && Number.isFinite(place) && !this.#link.full) this.#reply(heartbeatMessage(this.#context.node.token(place)))
  }

  leave(afterMs: number): void {
    if (this.#ended) return
    this.#link.send(closeMessage({ reason: 'draining', reconnect: true, after: afterMs }))
    // No command begins any more; those that have begun are answered.
    this.#leaving = true
    this.#part(goneAway, 'the server goes down: connect again')
  }

  closed(): void {
    this.#ended = true
    for (const subscription of this.#subscriptions.values()) subscription.close()
    this.#history?.close()
    this.#subscriptions.clear()
  }

  /**
   * Begins the commands in their order. While what was answered waits for the client, and while a history is collected that another one would follow, the rest
   * waits and nothing more is read: a frame of a thousand histories costs the memory of one.
   */
  #work(): void {
    while (!this.#ended && !this.#leaving && !this.#parked) {
      const [command] = this.#waiting
      if (command === undefined) {
        this.#hold(this.#farewell !== undefined)
        break
      }
      if (this.#link.full) {
        this.#parked = true
        this.#link.park(this)
      } else if (command.kind !== 'history' || this.#history === undefined) {
        this.#waiting.shift()
        this.#begin(command)
        continue
      }
      return this.#hold(true)
    }
    this.#closeIfAnswered()
  }

  #hold(held: boolean): void {
    if (held === this.#held) return
    this.#held = held
    if (held) this.#link.hold()
    else this.#link.release()
  }

  #begin(command: Command): void {
    switch (command.kind) {
      case 'subscribe':
        return this.#subscribe(command)
      case 'unsubscribe':
        return this.#unsubscribe(command.id, command.channel)
      case 'publish': {
        const { channel, message, key } = command.item
        const publish = this.#context.node.publish(channel, message, { key })
        return this.#queue.add(
          message.data.length,
          publish,
          (published: Published) => this.#reply(okReply(command.id, publishedJson(published))),
          (error) => this.#refuse(command.id, error),
        )
      }
      case 'history':
        return this.#collect(command)
      case 'ping':
        return this.#reply(okReply(command.id, '{}'))
      case 'unavailable':
        return this.#reply(errorReply(command.id, 'not-available', `${command.verb} is not built yet`))
      case 'unknown':
        return this.#reply(errorReply(command.id, 'command-unknown', `there is no verb ${JSON.stringify(command.verb)}`))
      case 'refused':
        return this.#reply(errorReply(command.id, command.problem.code, command.problem.problem))
      default:
        return command satisfies never
    }
  }

  #subscribe(command: SubscribeCommand): void {
    const { channel, id } = command
    if (this.#subscriptions.has(channel)) return this.#reply(errorReply(id, 'already-subscribed', `${channel} is followed already`))
    const most = this.#context.limits.channelsPerConnection
    if (this.#subscriptions.size >= most)
      return this.#reply(errorReply(id, 'channels-per-connection', `a connection follows at most ${most} channels`))
    const ended = (): void => void this.#subscriptions.delete(channel)
    const answered = (): void => {
      this.#opening--
      this.#closeIfAnswered()
    }
    this.#opening++
    this.#subscriptions.set(channel, new Subscription(this.#link, this.#context, this.#form, command, { ended, answered }))
  }

  #unsubscribe(id: string, channel: string): void {
    const subscription = this.#subscriptions.get(channel)
    if (subscription === undefined) return this.#reply(errorReply(id, 'not-subscribed', `${channel} is not followed`))
    this.#subscriptions.delete(channel)
    subscription.end()
    this.#reply(okReply(id, '{}'))
  }

  #collect(command: HistoryCommand): void {
    this.#history = new HistorySink(this.#context, command, (reply) => {
      this.#history = undefined
      this.#reply(reply)
      // A sink asks nothing of core from inside a call of core's.
      queueMicrotask(() => this.#work())
    })
  }

  #reply(text: string): void {
    if (!this.#ended) this.#link.send(text)
  }

  #refuse(id: CommandId, error: unknown): void {
    const known = tellable(error, (failure) => this.#context.report(failure))
    this.#reply(errorReply(id, known.code, known.message))
  }

  /** Reads no more, and closes once what has begun is answered: a client must not lose the answer to what was committed. */
  #part(code: number, reason: string): void {
    this.#farewell ??= { code, reason }
    this.#hold(true)
    this.#closeIfAnswered()
  }

  #closeIfAnswered(): void {
    const begins = this.#waiting.length > 0 && !this.#leaving
    if (this.#farewell === undefined || this.#ended || begins || this.#opening > 0 || this.#history !== undefined) return
    const { code, reason } = this.#farewell
    this.#queue.whenQuiet(() => {
      this.#ended = true
      this.#link.close(code, reason)
    })
  }
}
