/** Replaces `diagnostics.ts` in production builds, where the program has been developed already. */
const nothing = (): void => {};

export const checkDurations = nothing;
export const checkCallOptions = nothing;
export const warnOfUnknownOptions = nothing;
export const createMissing = () => nothing;
