import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { EventSource } from 'eventsource'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const example = fileURLToPath(new URL('../../examples/express', import.meta.url))
// What it needs is installed here; beside it nothing is, in a clone that nobody has tried it in.
const around = fileURLToPath(new URL('../node_modules', import.meta.url))

let directory: string
let running: ChildProcess
let url = ''

beforeAll(async () => {
  directory = mkdtempSync(join(around, '.express-example-'))
  cpSync(example, directory, { recursive: true, filter: (path) => !path.endsWith('node_modules') })
  running = spawn(process.execPath, [join(directory, 'server.mjs')], {
    cwd: directory,
    env: { ...process.env, PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [printed] = (await once(running.stdout ?? running, 'data')) as [Buffer]
  url = printed.toString().trim()
})
afterAll(async () => {
  if (running.exitCode === null && running.signalCode === null) {
    running.kill('SIGKILL')
    await once(running, 'close')
  }
  rmSync(directory, { recursive: true, force: true })
})

async function order(body: string): Promise<{ status: number; answer: unknown }> {
  const answer = await fetch(`${url}/orders`, { method: 'POST', body, headers: { 'content-type': 'application/json' } })
  return { status: answer.status, answer: await answer.json() }
}

describe('the Express example', () => {
  it('says its address, and gives the page', async () => {
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
    const page = await (await fetch(url)).text()
    expect(page).toBe(readFileSync(join(example, 'public/index.html'), 'utf8'))
    expect(page).toContain("new EventSource('push/channels/orders?last=20')")
    expect((await fetch(`${url}/push/`)).status).toBe(200)
    expect((await fetch(`${url}/channels/orders`)).status).toBe(404)
  })

  it('pushes an order to who listens, and says where it stands in the log', async () => {
    const events = new EventSource(`${url}/push/channels/orders?last=20`)
    await new Promise((resolve) => events.addEventListener('fanfare.ready', resolve, { once: true }))
    const pushed = new Promise<MessageEvent<string>>((resolve) => events.addEventListener('message', resolve, { once: true }))
    const { status, answer } = await order('{"item":"tea","count":2}')
    const { data, lastEventId } = await pushed
    events.close()
    expect([status, answer]).toEqual([201, { offset: 1, cursor: lastEventId }])
    expect(JSON.parse(data)).toEqual({ item: 'tea', count: 2 })
    expect(await order('{"item":"tea"}')).toEqual({ status: 400, answer: { error: 'an order has an item and a count' } })
  })

  it('is named in its README as it is', () => {
    const readme = readFileSync(join(example, 'README.md'), 'utf8')
    for (const path of [/examples\/express\/server\.mjs/, /server\.mjs\)/, /public\/index\.html\)/, /127\.0\.0\.1:3000\/orders/])
      expect(readme).toMatch(path)
    expect(readFileSync(join(example, 'server.mjs'), 'utf8')).toMatch(/PORT \?\? 3000/)
  })

  it('ends at SIGTERM, though somebody listens', async () => {
    const stream = await fetch(`${url}/push/channels/orders`, { headers: { accept: 'text/event-stream' } })
    const whole = stream.text()
    running.kill('SIGTERM')
    expect((await once(running, 'close'))[0]).toBe(0)
    expect(await whole).toContain('retry:')
  })
})
