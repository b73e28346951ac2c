/** Runs tasks in order in a later turn of the event loop, and keeps them while it is held. */
export class Inbox {
  #tasks: (() => void)[] = [];
  #held = false;
  #scheduled = false;

  put(task: () => void): void {
    this.#tasks.push(task);
    this.#schedule();
  }

  hold(): void {
    this.#held = true;
  }

  release(): void {
    this.#held = false;
    this.#schedule();
  }

  /** Drops all tasks; no task runs any more. */
  close(): void {
    this.#held = true;
    this.#tasks = [];
  }

  #schedule(): void {
    if (this.#scheduled || this.#held || this.#tasks.length === 0) return;
    this.#scheduled = true;
    setImmediate(() => this.#run());
  }

  #run(): void {
    this.#scheduled = false;
    const tasks = this.#tasks;
    this.#tasks = [];
    let done = 0;
    for (const task of tasks) {
      if (this.#held) break; // a task may freeze or close its own node
      done += 1;
      task();
    }
    if (done < tasks.length) this.#tasks = tasks.slice(done).concat(this.#tasks);
  }
}
