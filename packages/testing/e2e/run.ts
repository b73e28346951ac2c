/** `npm run e2e`: runs the matrix. The options are those of options.ts. */
import { runCells } from './runner.ts';
import { cellsOf, parseOptions } from './options.ts';

const options = parseOptions(process.argv.slice(2), Math.floor(Math.random() * 1e9));
if (cellsOf(options).length === 0) throw new RangeError('All selected cells are excluded: see EXCLUSIONS in constraints.ts.');
process.exitCode = runCells(options);
