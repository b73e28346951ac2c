/** Prints where a program is, as JSON: `node scripts/program-path.mjs nginx`. Installs it where it may. */
import { programs } from './programs.mjs';

const [name] = process.argv.slice(2);
console.log(JSON.stringify((await programs([name]))[name]));
