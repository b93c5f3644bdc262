import { exitCodes, misused, tell } from './exit.ts'
import type { Io } from './io.ts'
import { listenText, startMistakes } from './server-options.ts'
import type { Settings } from './settings.ts'
import { readTls } from './tls-files.ts'

/** Says all that is wrong with a configuration, or what it comes to. */
export async function runCheck(settings: Settings, rest: readonly string[], io: Io): Promise<number> {
  if (rest.length > 0) return misused(io, `check takes no arguments; a file is named by --config ${rest.join(' ')}`)
  if (settings.usage.length > 0) {
    tell(settings.usage, io)
    return exitCodes.usage
  }
  if (settings.file === undefined) {
    tell([{ where: 'fanfare.yaml', text: 'there is no such file here; name one with --config FILE' }], io)
    return exitCodes.failed
  }
  const inUse = async () => [...(await startMistakes(settings)), ...readTls(settings, io.directory).mistakes]
  const mistakes = settings.inFile.length > 0 ? settings.inFile : await inUse()
  tell(mistakes, io)
  if (mistakes.length > 0) return exitCodes.failed
  const rules = settings.rules.length === 1 ? '1 rule' : `${settings.rules.length} rules`
  io.stdout.write(`${settings.file} is in order: ${rules} for channels, listens on ${listenText(settings.value('listen'))}\n`)
  return exitCodes.well
}
