const ATTEMPTS = 20;

/** Tries one port after the other until one is free. `listen` rejects with EADDRINUSE where it is taken. */
export async function listenFrom<T>(first: number, listen: (port: number) => Promise<T>, taken: (port: number) => void): Promise<T> {
  for (let port = first; ; port++) {
    try {
      return await listen(port);
    } catch (error) {
      const isTaken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
      if (!isTaken || port >= first + ATTEMPTS) throw error;
      taken(port);
    }
  }
}
