import type { FanfareError } from '@fanfare/wire'

const codes: readonly unknown[] = ['storage-full' satisfies FanfareError['code'], 'ENOSPC', 'EDQUOT']

/** Says the error that there is no space, in the words of the store or of the system? */
export const isFull = (error: unknown): boolean => codes.includes((error as { readonly code?: unknown }).code)
