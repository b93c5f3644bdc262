import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { command } from '../../../../packages/fanfare/test/support/command.ts'

// Below the ports that outgoing connections take, so that nobody has it when the server starts again.
const lowestPort = 20_000
const highestPort = 32_000

/** The real command on one port and one data directory, through any number of deaths. */
export interface Life {
  readonly url: string
  /** Where it keeps its data; a test's own files may lie there, too. */
  readonly directory: string
  /** kill -9, and the next start; resolves when that listens. */
  kill(): Promise<void>
  /** SIGTERM, and the next start when it has drained. */
  restart(): Promise<void>
  /** kill -9. */
  die(): Promise<void>
  /** The start after it died; resolves when it listens. */
  rise(): Promise<void>
  /** Ends it and removes its data. */
  close(): Promise<void>
}

export async function live(...flags: string[]): Promise<Life> {
  const directory = mkdtempSync(join(tmpdir(), 'fanfare-clients-'))
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const start = async (): Promise<ReturnType<typeof command>> => {
    const server = command(['serve', '--listen', `127.0.0.1:${port}`, '--data', join(directory, 'data'), ...flags], { directory })
    await server.until((stdout) => stdout.includes(`listens on ${url}`))
    return server
  }
  let server = await start()
  const end = async (): Promise<void> => {
    server.child.kill('SIGKILL')
    await server.ended
  }
  return {
    url,
    directory,
    async kill() {
      await end()
      server = await start()
    },
    async restart() {
      server.child.kill('SIGTERM')
      const code = await server.ended
      if (code !== 0) throw new Error(`the server ended with ${code}: ${server.stderr()}`)
      server = await start()
    },
    die: end,
    async rise() {
      server = await start()
    },
    async close() {
      await end()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

/** A port of the loopback address that nobody listens on. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = lowestPort + Math.floor(Math.random() * (highestPort - lowestPort))
    if (await isFree(port)) return port
  }
}

async function isFree(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const server = createServer()
    server.on('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
