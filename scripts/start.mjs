/** `npm start`: runs the playground, also from a fresh clone. */
import { install } from './install.mjs';

install();
await import('../playground/start.mjs');
