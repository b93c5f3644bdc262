import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { FanfareError } from '@fanfare/wire'
import { streamingSockets } from '../transports/stream-sink.ts'
import type { WheelTimer } from '../transports/wheel.ts'
import { answerDeclined } from './declined-upgrade.ts'
import { activeResponse, answer } from './entry.ts'
import { addressUnknown, isOwnAddress } from './router.ts'
import type { Site } from './site.ts'
import { isBelow, pathOf } from './target.ts'
import { refuseUpgrade, upgrade } from './upgrade.ts'

/** A place beside an application's own routes on its server. */
export interface Attachment {
  /** Takes nothing new; what is open stays open. Twice is once. */
  detach(): void
  /** Something of Fanfare's is still under way on a socket of the application's server. */
  readonly busy: boolean
  /** Destroys those sockets, and leaves all others alone. */
  cut(): void
}

/**
 * Answers what is Fanfare's of what comes to a server, and leaves the rest to the listeners of the application, whether they were there before or come later.
 * Node calls all listeners of an event, and an application's would answer 404 to what isn't its own; so the event itself is stopped, in `emit`. Where the
 * application listens for no requests, nobody else would answer, and all is Fanfare's.
 */
export function attachTo(server: Server, site: Site): Attachment {
  const door = doors.get(server) ?? new Door(server)
  doors.set(server, door)
  return door.admit(site)
}

const doors = new WeakMap<Server, Door>()

/** Node looks whether anybody listens for these before it tells of them; who listens here is `emit`. */
const announced = ['upgrade', 'checkContinue', 'checkExpectation'] as const
const listens = (): void => undefined

/** Of any event; the types of node name each with its arguments. */
type Emit = (this: Server, event: string, ...args: unknown[]) => boolean

function emitOf(holder: Server): Emit {
  return Reflect.get(holder, 'emit') as Emit
}

/** One for each server, however many are attached. */
class Door {
  readonly #server: Server
  /** An `emit` that the server had of its own; else that of its class counts, whoever changes it later. */
  readonly #own: Emit | undefined
  readonly #passing: Emit
  /** The longest prefix first. */
  #guests: readonly Guest[] = []
  /** What guests that have gone left open: a request behind an answer without end would be the application's, and its answer would be written into that one. */
  readonly #left = new Set<Duplex>()

  constructor(server: Server) {
    this.#server = server
    this.#own = Object.hasOwn(server, 'emit') ? emitOf(server) : undefined
    const passOn = (): Emit => this.#own ?? emitOf(Object.getPrototypeOf(server) as Server)
    this.#passing = (event: string, ...args: unknown[]): boolean => this.#takes(event, args) || passOn().call(server, event, ...args)
    server.emit = this.#passing
  }

  admit(site: Site): Attachment {
    if (this.#guests.some((other) => other.prefix === site.prefix)) {
      throw new Error(`something of Fanfare is attached there already${site.prefix === '' ? '' : `: ${site.prefix}`}`)
    }
    const guest = new Guest(site)
    this.#guests = [...this.#guests, guest].toSorted((one, other) => other.prefix.length - one.prefix.length)
    if (this.#guests.length === 1) for (const event of announced) this.#server.on(event, listens)
    return {
      detach: () => this.#dismiss(guest),
      get busy() {
        return guest.busySockets().length > 0
      },
      cut: () => {
        for (const socket of guest.busySockets()) socket.destroy()
      },
    }
  }

  #dismiss(guest: Guest): void {
    if (!this.#guests.includes(guest)) return
    this.#guests = this.#guests.filter((other) => other !== guest)
    guest.leave()
    if (this.#guests.length === 0) for (const event of announced) this.#server.off(event, listens)
    for (const socket of guest.unansweredSockets()) {
      this.#left.add(socket)
      socket.once('close', () => {
        this.#left.delete(socket)
        this.#stepAside()
      })
    }
    this.#stepAside()
  }

  #stepAside(): void {
    if (this.#guests.length > 0 || this.#left.size > 0) return
    // Where somebody has put an `emit` of their own before this one, it stays and passes everything on.
    if (emitOf(this.#server) !== this.#passing) return
    if (this.#own !== undefined) this.#server.emit = this.#own
    else Reflect.deleteProperty(this.#server, 'emit')
    doors.delete(this.#server)
  }

  /** True where the event goes no further. */
  #takes(event: string, args: readonly unknown[]): boolean {
    if (this.#guests.length === 0) {
      const from = event === 'clientError' ? args[1] : (args[0] as Partial<IncomingMessage> | undefined)?.socket
      return this.#left.has(from as Duplex) && dropped(from as Duplex)
    }
    switch (event) {
      case 'request':
      case 'checkContinue':
      case 'checkExpectation':
        return this.#request(event, args[0] as IncomingMessage, args[1] as ServerResponse)
      case 'upgrade':
        return this.#upgrade(args[0] as IncomingMessage, args[1] as Duplex, args[2] as Buffer)
      case 'clientError':
        return dropped(args[1] as Duplex)
      default:
        return false
    }
  }

  #request(event: string, req: IncomingMessage, res: ServerResponse): boolean {
    if (dropped(req.socket)) return true
    const guest = this.#guestFor(req)
    if (guest !== undefined) {
      guest.uses(req.socket)
      answer(guest.site, req, res)
      return true
    }
    if (event === 'request' || this.#others(event) > 0) return false
    // What node does where nobody listens.
    if (event === 'checkContinue') {
      res.writeContinue()
      return this.#server.emit('request', req, res)
    }
    res.writeHead(417).end()
    return true
  }

  #upgrade(req: IncomingMessage, socket: Duplex, head: Buffer): boolean {
    if (dropped(req.socket)) return true
    const guest = this.#guestFor(req)
    const active = activeResponse(req.socket)
    // It was sent ahead of an answer that is still to come, and node has let go of the connection: nothing can be said on it any more.
    if (active !== undefined && (guest !== undefined || this.#others('upgrade') === 0 || this.#guestFor(active.req) !== undefined)) {
      socket.destroy()
      return true
    }
    if (guest !== undefined) {
      guest.uses(req.socket)
      guest.links.add(req.socket)
      upgrade(guest.site, req, socket, head)
      return true
    }
    if (this.#others('upgrade') > 0) {
      this.#guests[0]?.watch(socket)
      return false
    }
    this.#ignoreUpgrade(req, socket, head)
    return true
  }

  /** The application takes no upgrades: without Fanfare node would have given it the request as any other. */
  #ignoreUpgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy())
    try {
      answerDeclined(req, socket, head, (asked, res) => this.#server.emit('request', asked, res))
    } catch (error) {
      if (!(error instanceof FanfareError)) throw error
      refuseUpgrade(socket, error)
    }
  }

  /** Whose the request is; undefined where it is the application's. */
  #guestFor({ url = '' }: IncomingMessage): Guest | undefined {
    const path = pathOf(url)
    const found = path === undefined ? undefined : this.#guests.find((guest) => guest.takes(path))
    return found ?? (this.#server.listenerCount('request') === 0 ? this.#guests.at(-1) : undefined)
  }

  #others(event: string): number {
    return this.#server.listenerCount(event) - 1
  }
}

/** Behind an answer without end nobody can say anything: its response was let go, and the next one would be written into it. */
function dropped(socket: Duplex): boolean {
  if (!streamingSockets.has(socket)) return false
  socket.destroy()
  return true
}

/** One Fanfare server on one server of an application. */
class Guest {
  readonly site: Site
  /** Sockets that became WebSockets of ours, or were refused it. */
  readonly links = new WeakSet<Duplex>()
  readonly #sockets = new Set<Duplex>()
  readonly #watched = new Set<WheelTimer>()

  constructor(site: Site) {
    this.site = site
  }

  get prefix(): string {
    return this.site.prefix
  }

  takes(path: string): boolean {
    return this.prefix === '' ? isOwnAddress(path) : isBelow(path, this.prefix)
  }

  /** Something of ours came on it. */
  uses(socket: Duplex): void {
    if (this.#sockets.has(socket)) return
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
  }

  /** Those on which something of ours is under way; what else came on them is answered. */
  busySockets(): readonly Duplex[] {
    return [...this.#sockets].filter((socket) => {
      if (streamingSockets.has(socket) || this.links.has(socket)) return true
      const path = pathOf(activeResponse(socket)?.req.url ?? '')
      return path !== undefined && this.takes(path)
    })
  }

  /** Those on which any answer is under way: one of ours may wait behind it, and be one without end. */
  unansweredSockets(): readonly Duplex[] {
    return [...this.#sockets].filter((socket) => streamingSockets.has(socket) || activeResponse(socket) !== undefined)
  }

  /** The application's listeners have an upgrade now. One that none of them takes would stay open without a word for ever. */
  watch(socket: Duplex): void {
    const written = bytesWritten(socket)
    const untouched = (): boolean =>
      bytesWritten(socket) === written && socket.listenerCount('data') + socket.listenerCount('readable') === 0
    const timer = this.site.ground.wheel.timer({
      onTime: () => {
        this.#watched.delete(timer)
        if (!socket.destroyed && untouched()) refuseUpgrade(socket, addressUnknown(this.prefix))
      },
    })
    this.#watched.add(timer)
    timer.start(this.site.settings.limits.headersMs)
    socket.once('close', () => {
      this.#watched.delete(timer)
      timer.stop()
    })
  }

  leave(): void {
    for (const timer of this.#watched) timer.stop()
    this.#watched.clear()
  }
}

function bytesWritten(socket: Duplex): number {
  return (socket as Duplex & { readonly bytesWritten?: number }).bytesWritten ?? 0
}
