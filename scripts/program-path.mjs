/** Prints the path of a program as JSON: `node scripts/program-path.mjs nginx`. Installs it if it is missing and that is allowed. */
import { programs } from './programs.mjs';

const [name] = process.argv.slice(2);
console.log(JSON.stringify((await programs([name]))[name]));
