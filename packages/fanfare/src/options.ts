import { isProblem } from '@fanfare/wire'
import type { Problem } from '@fanfare/wire'
import {
  listOf,
  oneOf,
  parseBoolean,
  parseEvent,
  parseHost,
  parseLastCount,
  parseListen,
  parseOrigin,
  parsePatience,
  parseSinceText,
  parseText,
  parseType,
  parseUrl,
} from './words.ts'

export const commandNames = ['serve', 'publish', 'subscribe', 'check'] as const
export type CommandName = (typeof commandNames)[number]

/** All transports that a configuration may name. */
export const transportNames = ['websocket', 'sse', 'stream', 'long-poll', 'poll', 'multipart', 'iframe', 'jsonp'] as const
export type TransportName = (typeof transportNames)[number]

/** Transports over which `subscribe` can receive. */
export const receivingTransports = ['sse', 'stream', 'websocket', 'long-poll', 'poll', 'multipart'] as const
export type ReceivingTransport = (typeof receivingTransports)[number]

/** A flag, which is an environment variable and a key of the configuration file too. */
export interface Option<T> {
  readonly commands: readonly CommandName[]
  /** What stands for the value in the help; absent where the flag alone means true. */
  readonly value?: string
  readonly help: string
  /** The word that holds where nobody says another. */
  readonly byDefault?: string
  /** False: a flag and an environment variable, but no key of the file. A path: the key stands within another. */
  readonly inFile?: false | readonly [group: 'tls', key: string]
  readonly parse: (word: string) => T | Problem
}

function option<T>(commands: readonly CommandName[], rest: Omit<Option<T>, 'commands'>): Option<T> {
  return { commands, ...rest }
}

const clients = ['publish', 'subscribe'] as const
const everywhere = commandNames
const transportWords = listOf(oneOf(transportNames))

/** Every option of the command, in the order of the help. */
export const options = {
  listen: option(['serve'], { value: 'HOST:PORT', help: 'where to listen', byDefault: '127.0.0.1:8000', parse: parseListen }),
  engine: option(['serve'], {
    value: 'disk|memory',
    help: 'what keeps the publications',
    byDefault: 'disk',
    parse: oneOf(['disk', 'memory']),
  }),
  data: option(['serve'], { value: 'DIRECTORY', help: 'where the disk engine keeps them', byDefault: './fanfare-data', parse: parseText }),
  transports: option(['serve'], {
    value: 'all|LIST',
    help: `how publications may travel: ${transportNames.join(', ')}; without it, by all but iframe and jsonp`,
    parse: (word) => (word === 'all' ? transportNames : transportWords(word)),
  }),
  origins: option(['serve'], {
    value: 'LIST',
    help: 'origins whose pages may call, such as https://app.example.com',
    parse: listOf(parseOrigin),
  }),
  hosts: option(['serve'], {
    value: 'LIST',
    help: 'names that the server answers for, such as push.example.com',
    parse: listOf(parseHost),
  }),
  'tls-cert': option(['serve'], {
    value: 'FILE',
    help: 'speak TLS with this certificate, and those between it and its authority, in PEM',
    inFile: ['tls', 'cert'],
    parse: parseText,
  }),
  'tls-key': option(['serve'], {
    value: 'FILE',
    help: 'its private key, in PEM and not encrypted',
    inFile: ['tls', 'key'],
    parse: parseText,
  }),
  insecure: option(['serve'], {
    help: 'serve on an address that others reach, without authentication',
    byDefault: 'false',
    parse: parseBoolean,
  }),
  compression: option(['serve'], {
    help: 'compress WebSocket messages for clients that offer it',
    byDefault: 'false',
    parse: parseBoolean,
  }),
  repair: option(['serve'], {
    help: 'start once with a damaged store: what can not be read is moved aside, and receivers are told what is missing',
    byDefault: 'false',
    inFile: false,
    parse: parseBoolean,
  }),
  log: option(['serve'], { value: 'text|json', help: 'how to write the log', byDefault: 'text', parse: oneOf(['text', 'json']) }),
  url: option(clients, { value: 'URL', help: 'the server', byDefault: 'http://127.0.0.1:8000', parse: parseUrl }),
  json: option(clients, {
    help: 'publish: each line is JSON; subscribe: print publications with their place',
    byDefault: 'false',
    parse: parseBoolean,
  }),
  event: option(['publish'], { value: 'NAME', help: 'the event that the publications are', parse: parseEvent }),
  type: option(['publish'], { value: 'TYPE', help: 'their media type; without it text/plain where it is UTF-8', parse: parseType }),
  'retry-for': option(['publish'], {
    value: 'TIME',
    help: 'give up after so long without an answer, such as 5m; without it 10s for a MESSAGE, never for lines',
    parse: parsePatience,
  }),
  transport: option(['subscribe'], {
    value: 'NAME',
    help: receivingTransports.join(', '),
    byDefault: 'sse',
    parse: oneOf(receivingTransports),
  }),
  since: option(['subscribe'], {
    value: 'CURSOR',
    help: 'begin after this place; or earliest, or latest, as without it',
    parse: parseSinceText,
  }),
  last: option(['subscribe'], { value: 'N', help: 'begin with the newest N of each channel', parse: parseLastCount }),
  'cursor-file': option(['subscribe'], { value: 'FILE', help: 'keep the place in this file, and go on from it', parse: parseText }),
  config: option(everywhere, {
    value: 'FILE',
    help: 'the configuration',
    byDefault: 'fanfare.yaml, if it is there',
    inFile: false,
    parse: parseText,
  }),
} as const

export type OptionName = keyof typeof options
export type OptionValue<Name extends OptionName> = Exclude<ReturnType<(typeof options)[Name]['parse']>, Problem>

export const optionNames = Object.keys(options) as readonly OptionName[]

export function isOptionName(name: string): name is OptionName {
  return Object.hasOwn(options, name)
}

/** The option as all have it, whatever its value. */
export function optionOf(name: OptionName): Option<unknown> {
  return options[name]
}

/** `FANFARE_CURSOR_FILE` for `cursor-file`. */
export function environmentName(name: OptionName): string {
  return `FANFARE_${name.toUpperCase().replaceAll('-', '_')}`
}

/** The value of a word, or what is wrong with it. */
export function optionValue<Name extends OptionName>(name: Name, word: string): OptionValue<Name> | Problem {
  const value = optionOf(name).parse(word)
  return isProblem(value) ? value : (value as OptionValue<Name>)
}
