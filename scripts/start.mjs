/** `npm start`: the playground, from a bare clone. */
import { install } from './install.mjs';

install();
await import('../playground/start.mjs');
