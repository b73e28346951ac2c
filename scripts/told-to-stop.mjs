/** Resolves at the first Ctrl+C or SIGTERM. Another one ends the process at once. */
export function toldToStop() {
  return new Promise((resolve) => {
    let isTold = false;
    for (const signal of ['SIGINT', 'SIGTERM']) {
      process.on(signal, () => {
        if (isTold) process.exit(130);
        isTold = true;
        resolve();
      });
    }
  });
}
