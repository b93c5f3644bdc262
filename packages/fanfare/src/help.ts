import { readFileSync } from 'node:fs'
import { environmentName, optionNames, optionOf } from './options.ts'
import type { CommandName, OptionName } from './options.ts'

interface CommandHelp {
  readonly usage: string
  readonly line: string
  readonly text: string
  readonly examples: readonly string[]
}

const commands: Readonly<Record<CommandName, CommandHelp>> = {
  serve: {
    usage: 'fanfare serve [flags]',
    line: 'run the server',
    text: 'Runs the server until SIGINT or SIGTERM, then drains: answers what is under way, tells receivers to come again, and ends.',
    examples: ['fanfare serve', 'fanfare serve --listen 127.0.0.1:9000 --engine memory', 'fanfare serve --config fanfare.yaml --log json'],
  },
  publish: {
    usage: 'fanfare publish CHANNEL [MESSAGE] [flags]',
    line: 'publish a message, or every line of stdin',
    text:
      'Publishes MESSAGE, or without one every line of stdin, at once and in order. Lines travel in atomic batches with a key each, so that\n' +
      'trying again doubles nothing; the next batch waits for the answer to the last. Put -- before a message that begins with -.',
    examples: [
      'fanfare publish news "hello"',
      'vmstat 1 | fanfare publish system/vmstat',
      'fanfare publish quotes/AAPL \'{"price":191.2}\' --json --event price',
    ],
  },
  subscribe: {
    usage: 'fanfare subscribe CHANNEL... [flags]',
    line: 'print what is published',
    text:
      'Prints the payload of each publication, a line each, until it is ended. Goes on by itself where a connection ends; a gap is told on stderr.\n' +
      'With --json each line is the publication with its channel, offset, cursor and time.',
    examples: [
      'fanfare subscribe news',
      'fanfare subscribe system/vmstat --last 10 --transport websocket',
      'fanfare subscribe orders --cursor-file orders.cursor --since earliest',
    ],
  },
  check: {
    usage: 'fanfare check [--config FILE]',
    line: 'say what is wrong with a configuration',
    text: 'Reads a configuration as `serve` would, and says all that is wrong with it, with line numbers. Exit code 1 where something is.',
    examples: ['fanfare check', 'fanfare check --config staging.yaml'],
  },
}

/** What `fanfare --help` prints. */
export function generalHelp(): string {
  const rows = Object.entries(commands).map(([name, { line }]) => `  ${name.padEnd(11)}${line}`)
  return [
    'Fanfare: a push server for the web. One publish reaches every client, in order, without a gap.',
    '',
    'usage: fanfare COMMAND [flags]',
    '',
    ...rows,
    '',
    '  fanfare COMMAND --help says more. --version prints the version.',
    '  Every flag is also an environment variable (FANFARE_LISTEN for --listen) and a key of fanfare.yaml;',
    '  flags win over the environment, the environment over the file, the file over the defaults.',
    '  Exit codes: 0 well, 1 failed, 2 wrong usage.',
    '',
  ].join('\n')
}

/** What `fanfare COMMAND --help` prints. */
export function commandHelp(name: CommandName): string {
  const { usage, text, examples } = commands[name]
  const own = optionNames.filter((option) => optionOf(option).commands.includes(name))
  const flags = own.map((option) => ({ flag: flagOf(option), help: helpOf(option, name) }))
  const width = Math.max(...flags.map(({ flag }) => flag.length)) + 2
  return [
    `usage: ${usage}`,
    '',
    text,
    '',
    'flags:',
    ...flags.map(({ flag, help }) => `  ${flag.padEnd(width)}${help}`),
    '',
    `  ${elsewhere(own)}`,
    '',
    'examples:',
    ...examples.map((example) => `  ${example}`),
    '',
  ].join('\n')
}

/** Where the same can be said. */
function elsewhere(own: readonly OptionName[]): string {
  const [first = 'config'] = own
  const flagsOnly = own.filter((name) => optionOf(name).inFile === false)
  if (flagsOnly.length === own.length) return `--${first} is also the environment variable ${environmentName(first)}.`
  const but = flagsOnly.toReversed().map((name) => `--${name}`)
  return `Each is also an environment variable, such as ${environmentName(first)}, and a key of the configuration (but ${but.join(' and ')}).`
}

function flagOf(name: (typeof optionNames)[number]): string {
  const { value } = optionOf(name)
  return value === undefined ? `--${name}` : `--${name} ${value}`
}

function helpOf(name: (typeof optionNames)[number], command: CommandName): string {
  const { help, byDefault } = optionOf(name)
  const own =
    help
      .split('; ')
      .find((part) => part.startsWith(`${command}: `))
      ?.slice(command.length + 2) ?? help
  return byDefault === undefined || byDefault === 'false' ? own : `${own} (${byDefault})`
}

/** The version that the package says. */
export function version(): string {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
  return version
}
