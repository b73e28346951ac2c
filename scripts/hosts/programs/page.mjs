/** A page: Playwright calls it. */
import { tryAll } from './client.mjs';

globalThis.tryAll = tryAll;
