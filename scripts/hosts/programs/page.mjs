/** For a page: Playwright calls this function. */
import { tryAll } from './client.mjs';

globalThis.tryAll = tryAll;
