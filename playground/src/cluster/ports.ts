const ATTEMPTS = 20;

/** Tries one port after the other until one is free. `listen` rejects with EADDRINUSE for a busy port, which `busy` reports. */
export async function listenFrom<T>(first: number, listen: (port: number) => Promise<T>, busy: (port: number) => void): Promise<T> {
  for (let port = first; ; port++) {
    try {
      return await listen(port);
    } catch (error) {
      const isBusy = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
      if (!isBusy || port >= first + ATTEMPTS) throw error;
      busy(port);
    }
  }
}
