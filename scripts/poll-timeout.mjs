/** Raises the default time limit of `vi.waitFor` from 1 s to 10 s: on a busy machine a condition may take longer than a second. */
import { vi } from 'vitest';

const { waitFor } = vi;
vi.waitFor = (condition, options) => waitFor(condition, typeof options === 'number' ? options : { timeout: 10_000, ...options });
