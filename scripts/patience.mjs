/** Tests poll for conditions. On a busy machine these may take longer than Vitest's second; one that never comes still fails. */
import { vi } from 'vitest';

const { waitFor } = vi;
vi.waitFor = (condition, options) => waitFor(condition, typeof options === 'number' ? options : { timeout: 10_000, ...options });
