/**
 * Runs the conversations of docs/protocol/transcripts.md with the client and the server, and compares them with the document.
 * `HUBLINE_WRITE=1 npx vitest run --project unit scripts/test/transcripts` writes the conversations.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { CONVERSATIONS, recordConversation, recordUnusualClients } from '../docs/conversations.mjs';

const PAGE = new URL('../../docs/protocol/transcripts.md', import.meta.url);

const blockOf = (name) => new RegExp(`(?<=^\`\`\`text ${name}\n)[^]*?(?=^\`\`\`$)`, 'm');

/** Returns the conversation in the document, after writing the recorded one if that is asked for. */
function documented(name, recorded) {
  const page = readFileSync(PAGE, 'utf8');
  if (process.env.HUBLINE_WRITE)
    writeFileSync(
      PAGE,
      page.replace(blockOf(name), () => recorded),
    );
  return blockOf(name).exec(readFileSync(PAGE, 'utf8'))?.[0];
}

describe('docs/protocol/transcripts.md', () => {
  it.each(Object.keys(CONVERSATIONS))('the document shows the conversation %s', async (name) => {
    const { text } = await recordConversation(CONVERSATIONS[name]);
    expect(documented(name, text)).toBe(text);
  });

  it('the document shows the answers to unusual clients', async () => {
    const text = await recordUnusualClients();
    expect(documented('unusual', text)).toBe(text);
  });
});
