import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import ts from 'typescript';

const ROOT = new URL('../../../../', import.meta.url);

export interface PageServer extends AsyncDisposable {
  readonly url: string;
}

/** Serves the files of the project to pages. Types are stripped from TypeScript files. */
export async function servePages(): Promise<PageServer> {
  const http = createServer((request, response) => void answer(request, response)).listen(0, '127.0.0.1');
  await once(http, 'listening');
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
}

async function answer({ url = '/' }: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname } = new URL(url, 'http://localhost');
  try {
    const text = await readFile(new URL(`.${pathname}`, ROOT), 'utf8');
    response.setHeader('content-type', `text/${pathname.endsWith('.html') ? 'html' : 'javascript'}; charset=utf-8`);
    response.end(pathname.endsWith('.ts') ? withoutTypes(text) : text);
  } catch (error) {
    response.writeHead(404).end(String(error));
  }
}

const compilerOptions = { target: ts.ScriptTarget.ESNext, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true };
const withoutTypes = (text: string): string => ts.transpileModule(text, { compilerOptions }).outputText;
