import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from '@fanfare/conformance'
import { describe, expect, it, onTestFinished } from 'vitest'

const page = readFileSync(fileURLToPath(new URL('../../docs/guide/embed.md', import.meta.url)), 'utf8')
const around = fileURLToPath(new URL('../node_modules', import.meta.url))

const programs = [...page.matchAll(/^```js (\w+)\n([\s\S]*?)^```\n/gm)].map(([, framework = '', program = '']) => ({ framework, program }))

/** Runs it as it is printed, but for the port. */
async function running(program: string): Promise<string> {
  const port = await freePort()
  expect(program).toContain('3000')
  const directory = mkdtempSync(join(around, '.embed-guide-'))
  writeFileSync(join(directory, 'program.mjs'), program.replace('3000', String(port)))
  const child = spawn(process.execPath, ['program.mjs'], { cwd: directory, stdio: ['ignore', 'inherit', 'inherit'] })
  const ended = once(child, 'close')
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await ended
    rmSync(directory, { recursive: true, force: true })
  })
  await expect.poll(() => listens(port)).toBe(true)
  return `http://127.0.0.1:${port}`
}

async function listens(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  const connected = await once(socket, 'connect').then(
    () => true,
    () => false,
  )
  socket.destroy()
  return connected
}

describe('the guide to embedding', () => {
  it('has a program for Express and one for Fastify', () => {
    expect(programs.map(({ framework }) => framework)).toEqual(['express', 'fastify'])
  })

  it.each(programs)('is right about $framework', async ({ program }) => {
    const url = await running(program)
    const order = { method: 'POST', body: '{"item":"tea"}', headers: { 'content-type': 'application/json' } }
    const answer = await fetch(`${url}/orders`, order)
    const said = (await answer.json()) as { offset: number; cursor: string }
    expect([answer.status, said.offset]).toEqual([201, 1])
    const polled = (await (await fetch(`${url}/push/channels/orders?since=earliest`)).json()) as { cursor: string; publications: unknown[] }
    expect(polled).toMatchObject({ cursor: said.cursor, publications: [{ data: { item: 'tea' } }] })
    expect((await fetch(`${url}/channels/orders`)).status).toBe(404)
  })
})
