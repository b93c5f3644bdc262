import { closeSync, constants, openSync, readdirSync, symlinkSync, unlinkSync } from 'node:fs'
import { createConnection, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FanfareError, type Runtime } from '@fanfare/wire'

/**
 * One process owns a directory. It listens on a socket in it, and answers whoever asks: a socket whose owner is gone answers nobody, whatever its name
 * says and whichever pid its owner had. A file with a pid would lie after kill -9 and in containers, and Node has no `flock`.
 *
 * Each candidate listens under a name of its own that is never used again, then looks at all others: of two, at least one sees the other. An owner wins;
 * of two candidates the lesser name.
 */
export interface OwnerLock {
  /** Closing twice is closing once. */
  release(): Promise<void>
}

interface Owner {
  readonly pid: number
  readonly name: string
  readonly owns: boolean
}

const shape = /^owner-[A-Za-z0-9_-]{8}\.sock$/
const answerMs = 2000
const patience = 100

/** Rejects with `storage-failed`, naming the owner, where there is one. `identity`: 8 characters that nobody else has. */
export async function lockDirectory(directory: string, identity: string, after: Runtime['after']): Promise<OwnerLock> {
  const own = `owner-${identity}.sock`
  const path = shortPath(directory)
  const state = { owns: false }
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.end(`${JSON.stringify({ pid: process.pid, name: own, owns: state.owns })}\n`)
  })
  const release = releaser(server, path)
  try {
    await listen(server, path.to(own))
    for (let tries = 0; ; tries++) {
      const rival = await findRival(directory, path, own, after)
      if (rival === undefined) break
      if (rival.owns || rival.name < own || tries === patience)
        throw new FanfareError(
          'storage-failed',
          `the directory ${directory} belongs to the running process ${rival.pid}; one process owns a store`,
          { extra: { pid: rival.pid } },
        )
      await new Promise<void>((resolve) => void after(20, resolve))
    }
    state.owns = true
    server.unref()
    return { release }
  } catch (error) {
    await release()
    throw error
  }
}

function releaser(server: Server, path: ShortPath): () => Promise<void> {
  let released: Promise<void> | undefined
  return () => {
    released ??= new Promise<void>((resolve) => {
      // Closing removes the socket's name.
      server.close(() => resolve())
    }).finally(() => path.close())
    return released
  }
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

/** Another one that answers. Sockets that nobody listens on are left over from a kill, and are removed: their names are never used again. */
async function findRival(directory: string, path: ShortPath, own: string, after: Runtime['after']): Promise<Owner | undefined> {
  for (const name of readdirSync(directory)) {
    if (!shape.test(name) || name === own) continue
    const rival = await ask(path.to(name), name, after)
    if (rival !== undefined) return rival
    removeQuietly(join(directory, name))
  }
  return undefined
}

/** Who listens there; undefined where nobody does. Somebody who accepts and says nothing counts as an owner. */
function ask(path: string, name: string, after: Runtime['after']): Promise<Owner | undefined> {
  return new Promise((resolve) => {
    let text = ''
    const silent: Owner = { pid: 0, name, owns: true }
    const socket = createConnection(path)
    let connected = false
    const cancel = after(answerMs, () => socket.destroy(new Error('it does not answer')))
    socket.on('close', cancel)
    socket.on('connect', () => (connected = true))
    socket.on('data', (chunk) => (text += chunk.toString('utf8')))
    socket.on('error', () => resolve(connected ? silent : undefined))
    socket.on('end', () => resolve(text.endsWith('\n') ? (JSON.parse(text) as Owner) : silent))
  })
}

function removeQuietly(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    // Somebody else removed it as well.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

interface ShortPath {
  to(name: string): string
  close(): void
}

/** The path of a Unix socket has at most 107 bytes (103 on macOS): a directory with a longer one is reached by a short way. */
function shortPath(directory: string): ShortPath {
  if (Buffer.byteLength(directory) < 70) return { to: (name) => join(directory, name), close: () => undefined }
  if (process.platform === 'linux') {
    const handle = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY)
    return { to: (name) => `/proc/self/fd/${handle}/${name}`, close: () => closeSync(handle) }
  }
  const link = join(tmpdir(), `fanfare-${process.pid}-${++links}`)
  symlinkSync(directory, link)
  return { to: (name) => join(link, name), close: () => unlinkSync(link) }
}

let links = 0
