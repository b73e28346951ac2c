/** What production builds have instead of `diagnostics.ts`: the program has been developed. */
const nothing = (): void => {};

export const checkDurations = nothing;
export const checkCallOptions = nothing;
export const warnOfUnknownOptions = nothing;
export const createMissing = () => nothing;
