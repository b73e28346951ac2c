/** Resolves at the first SIGINT or SIGTERM. The second one ends the process at once. */
export function stopSignal() {
  return new Promise((resolve) => {
    let hasStopped = false;
    for (const signal of ['SIGINT', 'SIGTERM']) {
      process.on(signal, () => {
        if (hasStopped) process.exit(130);
        hasStopped = true;
        resolve();
      });
    }
  });
}
