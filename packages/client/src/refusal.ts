import { HublineError, type ErrorDetails } from '@hubline/protocol';

type RefusalCode = 'unauthorized' | 'forbidden' | 'negotiation_failed';

/** An HTTP status as an error: 401 and 403 are verdicts, everything else may pass. */
export function refusal(status: number | undefined, message: string, cause?: unknown): HublineError<RefusalCode> {
  const code =
    status === 401 ? 'unauthorized'
    : status === 403 ? 'forbidden'
    : 'negotiation_failed';
  return new HublineError<RefusalCode>(code, message, (status ? { status } : {}) as ErrorDetails[RefusalCode], { cause });
}
