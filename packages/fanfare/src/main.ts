import { runCheck } from './check.ts'
import { exitCodes, tell } from './exit.ts'
import { readFlags } from './flags.ts'
import type { Given } from './flags.ts'
import { commandHelp, generalHelp, version } from './help.ts'
import { messageOf, say } from './io.ts'
import type { Io } from './io.ts'
import { didYouMean } from './nearest.ts'
import { commandNames } from './options.ts'
import type { CommandName } from './options.ts'
import { readSettings } from './settings.ts'
import type { Settings } from './settings.ts'

export { processIo } from './io.ts'
export type { Io } from './io.ts'

/** Runs one command to its end and answers with the exit code. Never ends the process, never throws for what a user can do. */
export async function run(args: readonly string[], io: Io): Promise<number> {
  const [name, ...rest] = args
  if (name === undefined) {
    io.stderr.write(generalHelp())
    return exitCodes.usage
  }
  if (name === '--version' || name === '-v' || name === 'version') return print(io, `fanfare ${version()}\n`)
  if (name === '--help' || name === '-h' || name === 'help') {
    const about = commandNames.find((command) => command === rest[0])
    return print(io, about === undefined ? generalHelp() : commandHelp(about))
  }
  const command = commandNames.find((known) => known === name)
  if (command === undefined) {
    say(io.stderr, name.startsWith('-') ? `the command comes first: fanfare ${commandNames.join('|')} ${name} …` : unknownCommand(name))
    return exitCodes.usage
  }
  const given = readFlags(command, rest)
  if (given.help) return print(io, commandHelp(command))
  try {
    return await runCommand(command, given, io)
  } catch (error) {
    say(io.stderr, error instanceof Error && error.stack !== undefined ? error.stack : messageOf(error))
    return exitCodes.failed
  }
}

function print(io: Io, text: string): number {
  io.stdout.write(text)
  return exitCodes.well
}

function unknownCommand(name: string): string {
  return `there is no command ${JSON.stringify(name)}${didYouMean(name, commandNames)} (fanfare --help lists them)`
}

async function runCommand(command: CommandName, given: Given, io: Io): Promise<number> {
  const settings = await readSettings(given, io)
  if (command === 'check') return runCheck(settings, given.rest, io)
  const mistakes = [...settings.usage, ...settings.inFile]
  if (mistakes.length > 0) {
    tell(mistakes, io)
    if (settings.usage.length > 0) say(io.stderr, `see fanfare ${command} --help`)
    return settings.usage.length > 0 ? exitCodes.usage : exitCodes.failed
  }
  return runWell(command, settings, given.rest, io)
}

/** Each command is loaded only where it is asked for. */
async function runWell(command: Exclude<CommandName, 'check'>, settings: Settings, rest: readonly string[], io: Io): Promise<number> {
  switch (command) {
    case 'serve': {
      const { runServe } = await import('./serve.ts')
      return runServe(settings, rest, io)
    }
    case 'publish': {
      const { runPublish } = await import('./publish.ts')
      return runPublish(settings, rest, io)
    }
    case 'subscribe': {
      const { runSubscribe } = await import('./subscribe.ts')
      return runSubscribe(settings, rest, io)
    }
    default:
      return command satisfies never
  }
}
