import { FanfareError } from '@fanfare/wire'

/**
 * What a client may hear of an error. What went wrong inside (it is no FanfareError, or one of code `internal`) may name files and places: it is reported, and the
 * client hears only that there was something.
 */
export function tellable(error: unknown, report: (error: unknown) => void): FanfareError {
  if (error instanceof FanfareError && error.code !== 'internal') return error
  report(error)
  return new FanfareError('internal', 'the server could not answer; its log says more')
}
