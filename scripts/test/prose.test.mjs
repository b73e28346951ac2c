/** Checks the sentences of the documents against a few rules for readers whose first language is not English. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { documents } from '../documents.mjs';
import { ROOT } from '../install.mjs';

const MAX_WORDS = 40;

/** Words that say nothing, that advertise, or that have a shorter equivalent. */
const WORDS = {
  'simply|just|easily|obviously|basically|actually|of course': 'leave it out',
  'please note( that)?|note that|it should be noted': 'leave it out',
  'in order to': 'to',
  'utili[sz]es?|leverages?': 'use',
  'seamless(ly)?|blazing(ly)?|powerful|robust|world-class|cutting-edge|effortless(ly)?': 'state a fact',
  'prior to': 'before',
  'and/or': 'or, or two sentences',
  'whoever|whosoever|whatsoever|thereof|hereby|wherein': 'name the subject',
  'etc|e\\.g|i\\.e': 'for example, that is, or the whole list',
};
/** A statement whose subject is a clause: "What is sent is kept." */
const HEADLESS = /^(?:[-*] |\d+\. )?\**(?:Who|What|Where|Whoever|Whatever) [^?]*[.:]\**$/;
const RULES = Object.entries(WORDS).map(([words, instead]) => [new RegExp(`(?<![\\w-])(?:${words})(?![\\w-])`, 'i'), instead]);

/** Returns the sentences of a document, without code, tables, addresses and quoted titles of tests. */
export function sentencesIn(text) {
  const prose = text
    .replace(/^---\n[^]*?\n---\n/, '')
    .replaceAll(/^ *```[^]*?^ *```/gm, '\n\n')
    .replaceAll(/<!--[^]*?-->/g, '')
    .replaceAll(/“[^”]*”/g, '“…”')
    .replaceAll(/``[^]*?``|`[^`]*`/g, 'x')
    .replaceAll(/\]\([^)]*\)/g, ']')
    .replaceAll(/^\[[^\]]+\]: .*$/gm, '');
  const blocks = prose.split(/\n\s*\n|\n(?= *(?:[-*]|\d+\.) )|\n(?=[|#>])/).filter((block) => !/^\s*[|#]/.test(block));
  return blocks.flatMap((block) => block.replaceAll(/\s+/g, ' ').split(/(?<=[.!?:;])(?:\*\*)? (?=[\p{Lu}*[(]|x\b)/u));
}

/** Returns the faults of a sentence. */
export function faultsOf(sentence) {
  const words = sentence.match(/[\p{L}\p{N}'’-]+/gu) ?? [];
  const long = words.length > MAX_WORDS ? [`${words.length} words, at most ${MAX_WORDS}`] : [];
  const found = RULES.flatMap(([rule, instead]) => {
    const [word] = rule.exec(sentence) ?? [];
    return word ? [`"${word}": ${instead}`] : [];
  });
  const headless = HEADLESS.test(sentence.trim()) ? ['the subject is a clause: name the thing'] : [];
  return [...long, ...found, ...headless];
}

describe('the prose of the documents', () => {
  it.each(documents())('%s has short sentences and plain words', (document) => {
    const faults = sentencesIn(readFileSync(join(ROOT, document), 'utf8')).flatMap((sentence) =>
      faultsOf(sentence).map((fault) => `${fault}: ${sentence}`),
    );
    expect(faults).toEqual([]);
  });
});

it('faultsOf finds a long sentence and each word of the rules', () => {
  expect(faultsOf(`${'word '.repeat(41)}.`)).toEqual(['41 words, at most 40']);
  expect(faultsOf('You can simply call it in order to end it.')).toEqual(['"simply": leave it out', '"in order to": to']);
  expect(faultsOf('What this node publishes is kept.')).toEqual(['the subject is a clause: name the thing']);
  expect(faultsOf('The adjustment is justified.')).toEqual([]);
  expect(faultsOf('What is a hub?')).toEqual([]);
});

it('sentencesIn leaves out code, tables and front matter', () => {
  const text = '---\na: just\n---\n# Just\n\nOne `just`. Two\nlines.\n\n| just |\n|---|\n\n```ts\njust\n```\n\n- item one\n- item two\n';
  expect(
    sentencesIn(text)
      .map((sentence) => sentence.trim())
      .filter(Boolean),
  ).toEqual(['One x.', 'Two lines.', '- item one', '- item two']);
});
