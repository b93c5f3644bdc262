import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { pathInFile } from '../src/config-schema.ts'
import { readFlags } from '../src/flags.ts'
import { environmentName, optionNames, optionOf } from '../src/options.ts'
import { readSettings } from '../src/settings.ts'
import type { Settings } from '../src/settings.ts'
import { TestIo, temporaryDirectory } from './support/io.ts'

let directory: ReturnType<typeof temporaryDirectory>
beforeEach(() => {
  directory = temporaryDirectory()
})
afterEach(() => directory.remove())

function write(text: string, name = 'fanfare.yaml'): void {
  writeFileSync(join(directory.path, name), text)
}

function settings(args: readonly string[] = [], env: Record<string, string> = {}): Promise<Settings> {
  return readSettings(readFlags('serve', args), new TestIo({ env, directory: directory.path }))
}

/** What `check` says of a file, each mistake a line. */
async function mistakes(text: string): Promise<string[]> {
  write(text)
  const io = new TestIo({ directory: directory.path })
  expect(await io.run('check')).toBe(text === '' ? 0 : 1)
  return io.stderr.lines.map((line) => line.replace('fanfare: ', ''))
}

describe('settings', () => {
  it('takes flags before the environment, the environment before the file, the file before the defaults', async () => {
    write('listen: 127.0.0.1:1\nengine: memory\nlog: json\n')
    const found = await settings(['--listen', '127.0.0.1:3'], { FANFARE_LISTEN: '127.0.0.1:2', FANFARE_ENGINE: 'disk' })
    expect(found.value('listen')).toEqual({ host: '127.0.0.1', port: 3 })
    expect(found.value('engine')).toBe('disk')
    expect(found.value('log')).toBe('json')
    expect(found.value('data')).toBe('./fanfare-data')
    expect([found.where('listen'), found.where('engine'), found.where('log'), found.where('data')]).toEqual([
      '--listen',
      'FANFARE_ENGINE',
      'fanfare.yaml:3:6: log',
      'the default',
    ])
  })

  it('reads the file of the contract', async () => {
    write(`# fanfare.yaml
listen: 127.0.0.1:8000
engine: disk
data: ./fanfare-data
transports: [websocket, sse, stream, long-poll, poll, multipart]
origins: ["https://app.example.com"]
hosts: ["push.example.com"]
channels:                       # the first rule whose pattern matches counts; * is one segment, ** one or more
  - match: "quotes/**"
    keep: { publications: 100, age: 1h, bytes: 1MiB }
    payload: 4KiB
    public: true                # polls of it may be cached and shared
  - match: "**"
    keep: { publications: 10000, age: 24h, bytes: 16MiB }
`)
    const found = await settings()
    expect(found.inFile).toEqual([])
    expect(found.get('transports')).toEqual(['websocket', 'sse', 'stream', 'long-poll', 'poll', 'multipart'])
    expect(found.get('origins')).toEqual(['https://app.example.com'])
    expect(found.rules).toEqual([
      { match: 'quotes/**', keep: { publications: 100, ageMs: 3_600_000, bytes: 1_048_576 }, payloadBytes: 4096, public: true },
      {
        match: '**',
        keep: { publications: 10_000, ageMs: 86_400_000, bytes: 16_777_216 },
      },
    ])
  })

  it('lifts a limit by none, and leaves to the server what a rule leaves out', async () => {
    write(
      'channels: [{ match: a, keep: { publications: 2000000, bytes: none } }]\nlimits: { payloadBytes: 128KiB, drainMs: 5s, channels: 10 }\n',
    )
    const found = await settings()
    expect(found.rules).toEqual([{ match: 'a', keep: { publications: 2_000_000, bytes: null } }])
    expect(found.limits).toEqual({ payloadBytes: 131_072, drainMs: 5000, channels: 10 })
  })

  it('reads lists with commas from flags and variables', async () => {
    const found = await settings(['--transports', 'sse, poll'], {
      FANFARE_ORIGINS: 'https://a.example,https://b.example',
      FANFARE_INSECURE: '1',
    })
    expect(found.get('transports')).toEqual(['sse', 'poll'])
    expect(found.get('origins')).toEqual(['https://a.example', 'https://b.example'])
    expect(found.value('insecure')).toBe(true)
    expect((await settings(['--transports', 'all'])).get('transports')).toContain('jsonp')
    expect((await settings()).get('transports')).toBeUndefined()
  })

  it('takes an empty file for one that says nothing, and does without the one it was not told of', async () => {
    write('# nothing\n')
    expect((await settings()).file).toBe('fanfare.yaml')
    expect((await settings(['--config', 'other.yaml'])).inFile).toEqual([{ where: 'other.yaml', text: 'there is no such file' }])
    mkdirSync(join(directory.path, 'empty'))
    const io = new TestIo({ directory: join(directory.path, 'empty') })
    expect((await readSettings(readFlags('serve', []), io)).file).toBeUndefined()
  })
})

describe('wrong usage', () => {
  const said = async (args: string[], env: Record<string, string> = {}): Promise<string[]> => {
    const io = new TestIo({ env, directory: directory.path })
    expect(await io.run(...args)).toBe(2)
    return io.stderr.lines.map((line) => line.replace('fanfare: ', ''))
  }

  it('names the flag that is nearest', async () => {
    expect((await said(['serve', '--lisen', '127.0.0.1:9']))[0]).toBe('--lisen: serve has no such flag; did you mean --listen?')
    expect((await said(['serve', '--url', 'x']))[0]).toBe('--url: serve has no such flag (it is one of publish and subscribe)')
    expect((await said(['serve', '--listen']))[0]).toBe('--listen: this flag has a value: --listen HOST:PORT')
  })

  it('names the variable that is nearest, and passes over those of container systems', async () => {
    expect((await said(['serve'], { FANFARE_LISTN: 'x' }))[0]).toBe(
      'FANFARE_LISTN: there is no such variable; did you mean FANFARE_LISTEN?',
    )
    const found = await settings([], {
      FANFARE_SERVICE_HOST: '10.0.0.1',
      FANFARE_SERVICE_PORT_HTTP: '80',
      FANFARE_PORT: 'tcp://10.0.0.1:80',
      FANFARE_PORT_80_TCP_ADDR: '10.0.0.1',
    })
    expect(found.usage).toEqual([])
    expect((await settings([], { FANFARE_PORT: '9000' })).usage).toHaveLength(1)
  })

  it('names no flag or variable that is not near, and --listen for what others call a port', async () => {
    expect((await said(['serve'], { FANFARE_FOO: 'x' }))[0]).toBe('FANFARE_FOO: there is no such variable')
    expect((await said(['serve'], { FANFARE_PORT: '80' }))[0]).toBe('FANFARE_PORT: there is no such variable; did you mean FANFARE_LISTEN?')
    expect((await said(['serve', '--port', '80']))[0]).toBe('--port: serve has no such flag; did you mean --listen HOST:PORT?')
    expect((await said(['serve', '-p', '80']))[0]).toContain('did you mean --listen HOST:PORT?')
    expect((await said(['publish', '-p', '80']))[0]).toContain('put -- before a message')
  })

  it('names the transports that are built, and says how npm takes flags', async () => {
    expect((await said(['serve', '--transports', 'pigeon']))[0]).toContain(
      'must be one of websocket, sse, stream, long-poll, poll, multipart, iframe, jsonp, not "pigeon"',
    )
    expect((await said(['serve', '21003'], { npm_lifecycle_event: 'start' }))[0]).toContain('npm start -- --listen HOST:PORT')
    expect((await said(['serve', '21003']))[0]).not.toContain('npm')
  })

  it('says what a value should be, all at once', async () => {
    const lines = await said(['serve', '--engine', 'redis', '--listen', 'x:99999', '--insecure=perhaps'], {
      FANFARE_LOG: 'xml',
      FANFARE_ORIGINS: 'app.example.com',
    })
    expect(lines).toEqual([
      '--engine: must be disk or memory, not "redis"',
      '--listen: an address is HOST:PORT, such as 127.0.0.1:8000 or [::1]:8000, not "x:99999"',
      '--insecure: must be true or false, not "perhaps"',
      'FANFARE_LOG: must be text or json, not "xml"',
      'FANFARE_ORIGINS: an origin is written https://app.example.com, without a path, not "app.example.com"',
      'see fanfare serve --help',
    ])
  })

  it('names the command that is nearest', async () => {
    expect(await said(['sreve'])).toEqual(['there is no command "sreve"; did you mean "serve"? (fanfare --help lists them)'])
    expect((await said(['--listen', 'x']))[0]).toContain('the command comes first')
    expect((await said(['serve', 'now']))[0]).toContain('serve takes flags only')
    await said([])
  })
})

describe('check', () => {
  it('says all that is wrong, in the order of the lines', async () => {
    const text = `listen: 127.0.0.1:8000
engin: disk
origins: [https://app.example.com/path]
channels:
  - match: "quotes/**"
    keep: { publications: many, ages: 1h }
    payload: 4KB
  - mach: "**"
limits:
  payloadbytes: 1KiB
  drainMs: soon
tls: { cert: a, keys: b }
`
    expect(await mistakes(text)).toEqual([
      'fanfare.yaml:2:1: there is no key "engin" here; did you mean "engine"?',
      'fanfare.yaml:3:11: origins: an origin is written https://app.example.com, without a path, not "https://app.example.com/path" (https://app.example.com?)',
      'fanfare.yaml:6:27: channels.keep.publications: a count is a whole number, not "many"',
      'fanfare.yaml:6:33: there is no key "ages" here; did you mean "age"?',
      'fanfare.yaml:7:14: channels.payload: a size is a whole number with B, KiB, MiB, GiB or TiB, such as 16MiB, not "4KB"',
      'fanfare.yaml:8:5: channels.match: a rule needs a match, such as match: "news/*"',
      'fanfare.yaml:8:5: there is no key "mach" here; did you mean "match"?',
      'fanfare.yaml:10:3: there is no key "payloadbytes" here; did you mean "payloadBytes"?',
      'fanfare.yaml:11:12: limits.drainMs: a duration is a whole number with ms, s, m, h or d, such as 24h, not "soon"',
      'fanfare.yaml:12:17: there is no key "keys" here; did you mean "key"?',
    ])
  })

  it('finds what YAML itself refuses', async () => {
    expect((await mistakes('listen: [1\n'))[0]).toMatch(/^fanfare\.yaml:2:1: /)
    expect((await mistakes('listen: 127.0.0.1:1\nlisten: 127.0.0.1:2\n'))[0]).toMatch(/^fanfare\.yaml:2:1: .*unique/i)
  })

  it('finds values of the wrong shape', async () => {
    expect(await mistakes('- listen\n')).toEqual(['fanfare.yaml:1:1: the file: a group of keys was expected here'])
    expect(await mistakes('channels: news\n')).toEqual(['fanfare.yaml:1:11: channels: a list of rules was expected here'])
    expect(await mistakes('listen: { port: 1 }\n')).toEqual(['fanfare.yaml:1:9: listen: one value was expected here, not a group of keys'])
    expect(await mistakes('channels: [{ match: a, public: 1 }]\n')).toEqual(['fanfare.yaml:1:32: channels.public: must be true or false'])
    expect(await mistakes('channels: [{ match: "a/b*" }]\n')).toHaveLength(1)
    expect(await mistakes('channels: [{ match: a, keep: { publications: 0 } }]\n')).toEqual([
      'fanfare.yaml:1:46: channels.keep.publications: must be at least 1',
    ])
  })

  it('finds a rule that never counts', async () => {
    expect(await mistakes('channels:\n  - match: "**"\n  - match: news\n')).toEqual([
      'fanfare.yaml:3:12: this rule never counts: "**" above it matches first',
    ])
  })

  it('refuses a limit that is fixed, and proposes none', async () => {
    write('limits: { channelNameBytes: 255 }\n')
    expect((await settings()).inFile).toEqual([])
    expect(await mistakes('limits: { channelNameBytes: 300, jsonDepth: 9, channelNameByte: 1 }\n')).toEqual([
      'fanfare.yaml:1:29: limits.channelNameBytes: this limit is fixed at 255',
      'fanfare.yaml:1:45: limits.jsonDepth: this limit is fixed at 512',
      'fanfare.yaml:1:48: there is no key "channelNameByte" here',
    ])
  })

  it('finds a name without an address', async () => {
    expect(await mistakes('listen: "nowhere.invalid:8000"\n')).toEqual([
      'fanfare.yaml:1:9: listen: there is no address for nowhere.invalid',
    ])
  })

  it('finds an address that others reach without authentication', async () => {
    expect((await mistakes('listen: 0.0.0.0:8000\n'))[0]).toMatch(
      /^fanfare\.yaml:1:9: listen: 0\.0\.0\.0:8000 can be reached by others.*or say insecure: true$/,
    )
  })

  it('says that a good one is good, and fails where there is none', async () => {
    write('listen: 127.0.0.1:8000\nchannels: [{ match: news }]\n', 'good.yaml')
    const io = new TestIo({ directory: directory.path })
    expect(await io.run('check', '--config', 'good.yaml')).toBe(0)
    expect(io.stdout.text).toBe('good.yaml is in order: 1 rule for channels, listens on 127.0.0.1:8000\n')
    const none = new TestIo({ directory: directory.path })
    expect(await none.run('check')).toBe(1)
    expect(none.stderr.text).toContain('there is no such file here')
  })
})

describe('the reference', () => {
  it('has every flag with its variable and its key, and no others', () => {
    const page = readFileSync(fileURLToPath(new URL('../../../docs/reference/options.md', import.meta.url)), 'utf8')
    const rows = [...page.matchAll(/^\| `--([a-z-]+)` \| `([A-Z_]+)` \| (?:`([a-z.-]+)`)? ?\|/gm)].map(([, flag, variable, key]) => [
      flag,
      variable,
      key,
    ])
    const known = optionNames.map((name) => {
      const inFile = optionOf(name).inFile !== false
      return [name, environmentName(name), inFile ? pathInFile(name).join('.') : undefined]
    })
    expect(rows.toSorted()).toEqual(known.toSorted())
  })
})

describe('help', () => {
  it('is there for every command, with its flags and their defaults', async () => {
    for (const command of ['serve', 'publish', 'subscribe', 'check']) {
      const io = new TestIo()
      expect(await io.run(command, '--help')).toBe(0)
      expect(io.stdout.text).toContain(`usage: fanfare ${command}`)
      const other = new TestIo()
      expect(await other.run('help', command)).toBe(0)
      expect(other.stdout.text).toBe(io.stdout.text)
    }
    const io = new TestIo()
    await io.run('serve', '-h')
    expect(io.stdout.text).toMatch(/--listen HOST:PORT +where to listen \(127\.0\.0\.1:8000\)/)
  })

  it('lists the commands, and says the version', async () => {
    const io = new TestIo()
    expect(await io.run('--help')).toBe(0)
    for (const command of ['serve', 'publish', 'subscribe', 'check']) expect(io.stdout.text).toContain(`  ${command} `)
    const version = new TestIo()
    expect(await version.run('--version')).toBe(0)
    expect(version.stdout.text).toMatch(/^fanfare \d+\.\d+\.\d+\n$/)
  })

  it('helps although flags are wrong', async () => {
    expect(await new TestIo({ env: { FANFARE_NONSENSE: 'x' } }).run('serve', '--lisen', 'x', '--help')).toBe(0)
  })
})
