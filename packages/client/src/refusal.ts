import { HublineError, type ErrorDetails } from '@hubline/protocol';

type RefusalCode = 'unauthorized' | 'forbidden' | 'negotiation_failed';

/** Why there is no connection. The HTTP statuses 401 and 403 are verdicts, everything else may pass. */
export function refusal(
  message: string,
  { status, cause }: { readonly status?: number | undefined; readonly cause?: unknown } = {},
): HublineError<RefusalCode> {
  const code =
    status === 401 ? 'unauthorized'
    : status === 403 ? 'forbidden'
    : 'negotiation_failed';
  return new HublineError<RefusalCode>(code, message, { status } as ErrorDetails[RefusalCode], { cause });
}
