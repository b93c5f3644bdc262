import { Duplex } from 'node:stream'
import { limits } from '@fanfare/wire'
import { afterEach, describe, expect, it } from 'vitest'
import { Backlog, SocketFlow, SocketWriter } from '../../src/transports/socket-writer.ts'
import { Wheel } from '../../src/transports/wheel.ts'
import { ManualRuntime } from '../support/manual-runtime.ts'

/** A socket that takes bytes only when it is told to. */
class SlowSocket extends Duplex {
  readonly #waiting: (() => void)[] = []
  taken = 0

  constructor() {
    super({ highWaterMark: 1024 })
  }

  override _read(): void {
    // Nothing comes.
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#waiting.push(() => {
      this.taken += chunk.length
      done()
    })
  }

  /** The kernel takes the next chunk. */
  async take(): Promise<void> {
    this.#waiting.shift()?.()
    await new Promise((resolve) => setImmediate(resolve))
  }
}

const sockets: SlowSocket[] = []
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy()
})

function setUp(changes: Partial<typeof limits> = {}) {
  const runtime = new ManualRuntime()
  const flow = new SocketFlow(
    { ...limits, socketWaitingBytes: 1000, socketsWaitingBytes: 5000, socketStalledMs: 30_000, ...changes },
    new Wheel(runtime),
  )
  const events: string[] = []
  const open = (name: string): { socket: SlowSocket; writer: SocketWriter } => {
    const socket = new SlowSocket()
    sockets.push(socket)
    return {
      socket,
      writer: new SocketWriter(socket, flow, {
        room: () => void events.push(`${name} room`),
        gone: () => void events.push(`${name} gone`),
      }),
    }
  }
  return { runtime, flow, events, open }
}

describe('a socket that has ended', () => {
  it('is written nothing after the last word, and nothing once its own end was written', async () => {
    const { open } = setUp()
    const { socket: closing, writer: said } = open('closing')
    said.write(new Uint8Array(10))
    said.shut()
    said.write(new Uint8Array(20))
    const { socket: ended, writer } = open('ended')
    writer.write(new Uint8Array(10))
    ended.end()
    writer.write(new Uint8Array(20))
    await Promise.all([closing.take(), ended.take()])
    expect([closing.taken, ended.taken]).toEqual([10, 10])
    expect(ended.errored).toBe(null)
  })

  it('tells who asked of each write, when all that is written together has been', async () => {
    const { open } = setUp()
    const { writer } = open('a')
    const seen: string[] = []
    writer.onWritten = () => void seen.push('written')
    writer.write(new Uint8Array(10))
    seen.push('turn')
    await Promise.resolve()
    expect(seen).toEqual(['turn', 'written'])
  })
})

describe('a socket that takes bytes slowly', () => {
  it('is full over its limit and has room again when it has drained', async () => {
    const { flow, events, open } = setUp()
    const { socket, writer } = open('a')
    writer.write(new Uint8Array(600))
    expect(writer.full).toBe(false)
    writer.write(new Uint8Array(600))
    expect(writer.full).toBe(true)
    expect(flow.waitingBytes).toBe(1200)
    await socket.take()
    expect(events).toEqual([])
    await socket.take()
    expect(events).toEqual(['a room'])
    expect([writer.full, flow.waitingBytes, socket.taken]).toEqual([false, 0, 1200])
  })

  it('is ended after the limit without any progress, and never while a byte moves', async () => {
    const { runtime, flow, events, open } = setUp()
    const { socket, writer } = open('stuck')
    const { socket: moving, writer: busy } = open('moving')
    for (let i = 0; i < 60; i++) busy.write(new Uint8Array(50))
    writer.write(new Uint8Array(1500))
    for (let second = 0; second < 29; second++) {
      runtime.pass(1000)
      await moving.take()
    }
    expect(socket.destroyed).toBe(false)
    runtime.pass(4000)
    await moving.take()
    expect([socket.destroyed, moving.destroyed]).toEqual([true, false])
    expect(events).toEqual(['stuck gone'])
    runtime.pass(1500)
    expect(flow.waitingBytes).toBe(30 * 50)
  })

  it('what is added while nothing is taken is no progress', () => {
    const { runtime, open } = setUp()
    const { socket, writer } = open('fed')
    for (let second = 0; second < 33; second++) {
      writer.write(new Uint8Array(10))
      runtime.pass(1000)
    }
    expect(socket.destroyed).toBe(true)
  })

  it('over the sum of all, whoever has anything waiting takes no more, and has room again when the sum falls', async () => {
    const { runtime, flow, events, open } = setUp({ socketWaitingBytes: 4000 })
    const { socket: large, writer: first } = open('large')
    first.write(new Uint8Array(3900))
    expect(first.full).toBe(false)
    const { writer: small } = open('small')
    small.write(new Uint8Array(2000))
    expect([small.full, flow.crowded]).toEqual([true, true])
    await large.take()
    runtime.pass(1500)
    expect(events).toEqual(['small room'])
    expect(small.full).toBe(false)
  })

  it('says once that it is gone, gives back what it counted, and takes nothing more', () => {
    const { runtime, flow, events, open } = setUp()
    const { socket, writer } = open('a')
    writer.write(new Uint8Array(2000))
    return new Promise<void>((resolve) => {
      socket.once('close', () => {
        writer.write(new Uint8Array(2000))
        runtime.pass(60_000)
        expect(events).toEqual(['a gone'])
        expect([flow.waitingBytes, runtime.waiting]).toEqual([0, 0])
        resolve()
      })
      socket.destroy()
    })
  })

  it('an answer that nobody takes is counted and ended like a stream', () => {
    const { runtime, flow } = setUp()
    const socket = new SlowSocket()
    sockets.push(socket)
    const backlog = new Backlog(socket, flow)
    socket.write(new Uint8Array(900))
    backlog.add(900)
    expect(flow.waitingBytes).toBe(900)
    runtime.pass(33_000)
    expect(socket.destroyed).toBe(true)
    backlog.clear()
    expect(flow.waitingBytes).toBe(0)
  })
})
