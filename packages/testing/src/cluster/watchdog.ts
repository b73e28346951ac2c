import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/**
 * Reads lines `+ <pid>` and `- <pid>`. The end of its input means that the parent process has ended. Then it kills the remaining
 * process groups, also frozen ones, and removes the folder. It is a shell script because a shell starts at once.
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

/** A shell process that kills the guarded process groups and removes the folder when this process ends, also by SIGKILL. */
export class Watchdog {
  readonly #shell: ChildProcess;
  readonly #input: NonNullable<ChildProcess['stdin']>;

  constructor(folder: string) {
    // In a session of its own it survives a signal to the process group or the terminal of this process.
    this.#shell = spawn('sh', ['-c', SCRIPT, 'hubline-watchdog', folder], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
    if (!this.#shell.stdin) throw new Error('The watchdog has no stdin.');
    this.#input = this.#shell.stdin;
    this.#shell.unref();
  }

  get pid(): number | undefined {
    return this.#shell.pid;
  }

  /** Guards the process group that `pid` leads. */
  guard(pid: number): void {
    this.#input.write(`+ ${pid}\n`);
  }

  /** Stops guarding a group that has ended, because its id may be reused. */
  release(pid: number): void {
    this.#input.write(`- ${pid}\n`);
  }

  /** Kills the guarded groups and removes the folder now. Resolves when that is done. */
  async close(): Promise<void> {
    if (this.#shell.exitCode !== null) return;
    const closed = once(this.#shell, 'exit');
    this.#shell.ref();
    this.#input.end();
    await closed;
  }
}
