import type { Cell } from './axes.ts';
import { callAll, callEach } from './scenarios/calls.ts';
import { chat } from './scenarios/chat.ts';
import { presence } from './scenarios/presence.ts';
import { streams } from './scenarios/streams.ts';
import type { Scenario } from './scenarios/scenario.ts';

/** The actions of the pages, by the name of the scenario. */
export const SCENARIOS: Readonly<Record<Cell['scenario'], Scenario>> = {
  chat,
  presence,
  'client-results': callEach,
  'invoke-all': callAll,
  streams,
};
