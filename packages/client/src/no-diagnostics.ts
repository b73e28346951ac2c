/** Replaces `diagnostics.ts` in production builds. Bundlers drop calls of empty functions. */
export function checkDurations(): void {}
export function checkBackoff(): void {}
export function checkWindow(): void {}
export function checkHubUrl(): void {}
export function warnOfUnknownOptions(): void {}
export function explained(message: string): string {
  return message;
}
export const createMissing = (): (() => void) => () => {};
