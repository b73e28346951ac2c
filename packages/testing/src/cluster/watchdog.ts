import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/**
 * Reads `+ <pid>` and `- <pid>`. When its input ends, whoever held the other end is gone, by whatever signal: it kills the
 * process groups that are left, frozen ones too, and removes the folder. A shell, because it has to be there at once.
 */
const SCRIPT = `
alive=' '
while read -r sign pid; do
  case $sign in
    +) alive="$alive$pid " ;;
    -) alive="\${alive%" $pid "*} \${alive#*" $pid "}" ;;
  esac
done
for pid in $alive; do kill -s KILL -- "-$pid" 2>/dev/null; done
rm -rf -- "$1" || { sleep 1; rm -rf -- "$1"; }
`;

/** A process beside this one that leaves nothing behind when this one ends, and be it by SIGKILL. */
export class Watchdog {
  readonly #shell: ChildProcess;
  readonly #input: NonNullable<ChildProcess['stdin']>;

  constructor(folder: string) {
    // A session of its own: what kills the group of this process, or the terminal, does not reach it.
    this.#shell = spawn('sh', ['-c', SCRIPT, 'hubline-watchdog', folder], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
    if (!this.#shell.stdin) throw new Error('A watchdog without an input.');
    this.#input = this.#shell.stdin;
    this.#shell.unref();
  }

  get pid(): number | undefined {
    return this.#shell.pid;
  }

  /** From now on the group that this process leads does not outlive us. */
  guard(pid: number): void {
    this.#input.write(`+ ${pid}\n`);
  }

  /** It has ended, so that its number may be somebody else's. */
  release(pid: number): void {
    this.#input.write(`- ${pid}\n`);
  }

  /** Has it do its work now. Resolves when that is done. */
  async close(): Promise<void> {
    if (this.#shell.exitCode !== null) return;
    const closed = once(this.#shell, 'exit');
    this.#shell.ref();
    this.#input.end();
    await closed;
  }
}
