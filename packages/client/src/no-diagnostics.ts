/** Replaces `diagnostics.ts` in production builds, where the program has been developed already. Bundlers drop calls of such functions. */
export function checkDurations(): void {}
export function checkBackoff(): void {}
export function checkWindow(): void {}
export function checkHubUrl(): void {}
export function warnOfUnknownOptions(): void {}
export function explained(message: string): string {
  return message;
}
export const createMissing = (): (() => void) => () => {};
