import { readdir, readFile } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { extname, join, relative, sep } from 'node:path';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.map': 'application/json',
  '.svg': 'image/svg+xml',
};

/** Serves the files that a folder has now. Paths are looked up in a list of these files and never in the file system. */
export async function files(folder: string): Promise<RequestListener> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const byUrl = new Map(paths.map((path) => [`/${relative(folder, path).split(sep).join('/')}`, path]));
  return (request, response) => {
    const [url = '/'] = (request.url ?? '/').split('?', 1);
    const path = byUrl.get(url === '/' ? '/index.html' : url);
    if (!path) return void response.writeHead(404).end();
    // Files in Vite's `assets` have a hash of their contents in their names.
    const cache = url.startsWith('/assets/') ? 'max-age=31536000, immutable' : 'no-cache';
    readFile(path).then(
      (contents) => response.writeHead(200, { 'content-type': TYPES[extname(path)], 'cache-control': cache }).end(contents),
      () => response.writeHead(404).end(),
    );
  };
}
