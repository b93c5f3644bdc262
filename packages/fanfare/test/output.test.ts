import { describe, expect, it } from 'vitest'
import { createLog } from '../src/log.ts'
import { progressLine } from '../src/progress.ts'
import { Memory, TestIo } from './support/io.ts'

const escape = '\u001b'

describe('the log', () => {
  it('has news on stdout and the rest on stderr, a line each', () => {
    const io = new TestIo()
    const log = createLog('text', io)
    log.info({ url: 'http://127.0.0.1:1', config: 'a b' }, 'listens')
    log.warn({}, 'careful')
    log.error({ reason: new Error('broken') }, 'failed')
    expect(io.stdout.text).toMatch(/^\d\d:\d\d:\d\d listens url=http:\/\/127\.0\.0\.1:1 config="a b"\n$/)
    expect(io.stderr.text).toMatch(/warn careful\n.*error failed reason=Error: broken\n/)
    expect(io.stdout.text + io.stderr.text).not.toContain(escape)
  })

  it('says nothing twice, and leaves words of the code to JSON', () => {
    const io = new TestIo()
    const fields = { url: 'http://127.0.0.1:1', engine: 'disk', durable: 'synced', forks: 'told', more: 'x' }
    createLog('text', io).info(fields, 'Fanfare listens on http://127.0.0.1:1')
    expect(io.stdout.text).toMatch(/^\d\d:\d\d:\d\d Fanfare listens on http:\/\/127\.0\.0\.1:1 more=x\n$/)
    const json = new TestIo()
    createLog('json', json).info(fields, 'Fanfare listens on http://127.0.0.1:1')
    expect(JSON.parse(json.stdout.text)).toMatchObject(fields)
  })

  it('is one JSON object a line where that is asked for', () => {
    const io = new TestIo()
    createLog('json', io).error({ reason: new Error('broken'), count: 3n }, 'failed')
    expect(JSON.parse(io.stderr.text)).toMatchObject({ level: 'error', message: 'failed', reason: { message: 'broken' }, count: '3' })
  })

  it('has colour on a terminal, unless NO_COLOR forbids it', () => {
    for (const env of [{}, { NO_COLOR: '1' }]) {
      const io = new TestIo({ env })
      Object.assign(io.stdout, { isTTY: true })
      createLog('text', io).info({}, 'listens')
      expect(io.stdout.text.includes(escape)).toBe(!('NO_COLOR' in env))
    }
  })
})

describe('progress', () => {
  it('is told on a terminal, after a second, now and then, and goes away', () => {
    let nowMs = 0
    const stream = new Memory()
    const line = progressLine(stream, true, () => nowMs)
    line.show(10)
    nowMs = 1500
    line.show(1234)
    nowMs = 1550
    line.show(1300)
    line.clear()
    line.clear()
    expect(stream.text).toBe(`\r1,234 published\r${escape}[K`)
  })

  it('is nothing where nobody looks', () => {
    const stream = new Memory()
    const line = progressLine(stream, false, () => 5000)
    line.show(10)
    line.clear()
    expect(stream.text).toBe('')
  })
})
